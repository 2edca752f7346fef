//! Lists, filters and pages.

use super::*;

on_both! { filters_and_pages, pages_hold_while_more_is_written }

async fn filters_and_pages(place: Place) {
    let journal = place.journal();
    for number in 1..=5 {
        end(
            &journal,
            invoice().under(&format!("order-{number}")),
            made(number),
        )
        .await;
    }
    let gift = NewOperation {
        bin: bin(GIFTS),
        amount: Some("20".parse().unwrap()),
        caller: "till".to_owned(),
        ..invoice()
    };
    let refused = end(&journal, gift, Outcome::Refused(why("no"))).await;
    let back = end(&journal, refund(3), Outcome::Unknown(why("timeout"))).await;
    let count = |filter: Filter| {
        let journal = &journal;
        async move { journal.operations(&filter).await.unwrap().items.len() }
    };
    let all = Filter::default;
    assert_eq!(count(all()).await, 7);
    assert_eq!(
        count(Filter {
            bins: vec![bin(GIFTS)],
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        count(Filter {
            bins: vec![bin(GIFTS), bin(FLOWERS)],
            ..all()
        })
        .await,
        7
    );
    assert_eq!(
        count(Filter {
            kinds: vec![OperationKind::Refund],
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        count(Filter {
            states: vec![OperationState::Refused, OperationState::Unknown],
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        count(Filter {
            payment: Some(payment(3)),
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        count(Filter {
            caller: Some("till".to_owned()),
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        count(Filter {
            key: Some("order-2".to_owned()),
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        count(Filter {
            at_most: Some("99.99".parse().unwrap()),
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        count(Filter {
            at_least: Some("100".parse().unwrap()),
            ..all()
        })
        .await,
        6
    );
    assert_eq!(
        count(Filter {
            from: Some(back.recorded_at),
            until: Some(back.recorded_at),
            ..all()
        })
        .await,
        0
    );
    let now = journal.now().await.unwrap();
    assert_eq!(
        count(Filter {
            from: Some(now + Duration::from_secs(60)),
            ..all()
        })
        .await,
        0
    );
    assert_eq!(
        count(Filter {
            until: Some(now + Duration::from_secs(60)),
            ..all()
        })
        .await,
        7
    );
    let gifts = Filter {
        bins: vec![bin(GIFTS)],
        ..all()
    };
    assert_eq!(journal.operations(&gifts).await.unwrap().items, [refused]);
    assert_eq!(serde_json::to_value(&back).unwrap()["amount"], "100.00");
}

async fn pages_hold_while_more_is_written(place: Place) {
    let journal = place.journal();
    for number in 1..=7 {
        end(&journal, invoice(), made(number)).await;
    }
    let mut filter = Filter {
        limit: 3,
        ..Filter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = journal.operations(&filter).await.unwrap();
        seen.extend(page.items.iter().map(|record| record.payment_id.unwrap().get()));
        end(&journal, invoice(), made(100 + seen.last().copied().unwrap_or(0))).await;
        let Some(next) = page.next else { break };
        filter.cursor = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    let payments = journal
        .payments(&PaymentFilter {
            limit: 10,
            ..PaymentFilter::default()
        })
        .await
        .unwrap();
    assert_eq!((payments.items.len(), payments.next), (10, None));
    for text in ["", "0", "-1", "+1", "x", "99999999999999999999"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}
