//! A start with identities that take long to open: who waits for whom.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use kaspi_direct::base::{Bin, SystemClock};
use kaspi_direct::config::{self, Environment};
use kaspi_direct::identity::Identity;
use kaspi_direct::registry::{MerchantState, Provision, ProvisionError, Rotor};

use crate::kit::{FLOWERS, GIFTS, Operator, bin};

const THIRD: &str = "980540000397";
const FOURTH: &str = "050140001237";

/// Opens nothing but the identities that are let through, and counts.
#[derive(Default)]
struct Door {
    passed: Mutex<HashMap<Bin, usize>>,
    open: Mutex<bool>,
    opened: Condvar,
    free: Vec<Bin>,
}

impl Door {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn passed(&self, bin: Bin) -> usize {
        self.passed.lock().unwrap().get(&bin).copied().unwrap_or(0)
    }
}

impl Provision for Door {
    type Kit = ();

    fn provision(&self, identity: &Arc<Identity>) -> Result<(), ProvisionError> {
        if !self.free.contains(&identity.owner()) {
            let open = self.open.lock().unwrap();
            drop(self.opened.wait_while(open, |open| !*open).unwrap());
        }
        *self.passed.lock().unwrap().entry(identity.owner()).or_default() += 1;
        Ok(())
    }

    fn provision_for_trial(&self, _: &Arc<Identity>) -> Result<(), ProvisionError> {
        Ok(())
    }
}

fn load(operator: &Operator, door: &Arc<Door>) -> Rotor<()> {
    let file = operator.configure(([127, 0, 0, 1], 9).into(), "");
    let environment = Environment::default();
    let config = config::load(&file, &environment).unwrap();
    let folders = config::scan(&config, &environment).unwrap();
    let door: Arc<Door> = Arc::clone(door);
    Rotor::load(&config, &folders, door, Arc::new(SystemClock))
}

fn operator() -> Operator {
    let operator = Operator::of_two();
    operator.add(THIRD);
    operator.add(FOURTH);
    operator
}

#[test]
fn a_call_waits_for_its_own_identity_alone() {
    let operator = operator();
    for free in [FLOWERS, GIFTS, THIRD, FOURTH].map(bin) {
        let door = Arc::new(Door {
            free: vec![free],
            ..Door::default()
        });
        let rotor = load(&operator, &door);
        let registry = rotor.registry();
        // who is configured is known at once; every thread that opens keys may stand at the door by now
        assert_eq!(registry.bins().len(), 4);
        assert_eq!(registry.pin(free).unwrap().generation.identity.owner(), free);
        let others = registry.bins().into_iter().filter(|bin| *bin != free);
        assert!(others.map(|bin| door.passed(bin)).all(|passed| passed == 0));

        door.open();
        registry.open_all();
        for row in registry.status() {
            assert_eq!(row.state, MerchantState::Ready, "{:?}", row.problem);
            assert_eq!((row.generation, door.passed(row.bin)), (Some(1), 1));
            assert!(row.attempts.last_success.is_some());
        }
    }
}

#[test]
fn an_identity_is_opened_once_however_many_want_it() {
    let operator = operator();
    let door = Arc::new(Door::default());
    let rotor = load(&operator, &door);
    let registry = rotor.registry();
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| registry.pin(bin(FLOWERS)).unwrap().generation))
            .collect();
        door.open();
        let generations: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        assert!(generations.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
    });
    assert_eq!(door.passed(bin(FLOWERS)), 1);
}

#[test]
fn a_broken_identity_says_so_to_whoever_calls_and_to_whoever_borrows() {
    let operator = operator();
    operator.write_for(GIFTS, "private.key", "no key");
    operator.write_for(
        THIRD,
        "merchant.toml",
        format!("name = \"Third\"\nidentity = \"{GIFTS}\"\n"),
    );
    for own in ["certificate.cer", "private.key"] {
        std::fs::remove_file(operator.path("certs").join(THIRD).join(own)).unwrap();
    }
    let door = Arc::new(Door::default());
    door.open();
    let rotor = load(&operator, &door);
    let registry = rotor.registry();
    for broken in [GIFTS, THIRD] {
        let error = registry.pin(bin(broken)).unwrap_err();
        assert!(error.to_string().contains(broken), "{error}");
        let rows = registry.status();
        let row = rows.iter().find(|row| row.bin == bin(broken)).unwrap();
        assert_eq!(row.state, MerchantState::Broken);
        assert_eq!(row.problem.as_ref().unwrap().to_string(), error.to_string());
        assert!(row.attempts.standing_error().is_some());
    }
    assert!(registry.pin(bin(FLOWERS)).is_ok());
}
