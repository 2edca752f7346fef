//! A browser for the admin page: it logs in, sees pages and sends their forms.

use kaspi_direct::gateway::Patience;

use super::gateway_kit::{Reply, Served, token, tokens};
use super::kit::FLOWERS;

pub const OPERATOR: &str = "kd_test_operator_0123456789abcdef";
/// Stands wherever others may write.
pub const EVIL: &str = "<script>alert(1)</script>";

/// A gateway with an operator who may do everything for the shop of flowers.
pub async fn open() -> Served {
    let more = tokens()
        + &token(
            "Aigul",
            OPERATOR,
            &[FLOWERS],
            &["admin", "create", "refund", "read"],
        );
    Served::with(&more, Patience::default()).await
}

pub async fn post(served: &Served, target: &str, headers: &[(&str, &str)], form: &str) -> Reply {
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    served.ask("POST", target, &all, Some(form)).await
}

/// A browser that has logged in: its cookie.
pub struct Browser<'s> {
    served: &'s Served,
    pub cookie: String,
}

impl<'s> Browser<'s> {
    pub async fn enter(served: &'s Served, token: &str) -> Self {
        let reply = post(served, "/admin/login", &[], &format!("token={token}")).await;
        assert_eq!(reply.status, 303, "{reply:?}");
        assert_eq!(reply.header("location"), Some("/admin"));
        let cookie = reply.header("set-cookie").unwrap();
        for wanted in ["; Path=/admin", "; HttpOnly", "; SameSite=Strict"] {
            assert!(cookie.contains(wanted), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { served, cookie }
    }

    /// It has chosen English.
    pub fn in_english(mut self) -> Self {
        self.cookie.push_str("; kaspi_lang=en");
        self
    }

    pub async fn see(&self, target: &str) -> Reply {
        self.served
            .ask("GET", target, &[("cookie", &self.cookie)], None)
            .await
    }

    pub async fn send(&self, target: &str, form: &str) -> Reply {
        post(self.served, target, &[("cookie", &self.cookie)], form).await
    }

    /// The hidden fields of the form that goes to `action`.
    pub async fn form(&self, page: &str, action: &str) -> String {
        let page = self.see(page).await;
        assert_eq!(page.status, 200, "{page:?}");
        let mark = format!("action=\"{action}\"");
        let (_, form) = page
            .body
            .split_once(&mark)
            .unwrap_or_else(|| panic!("no {mark} in {page:?}"));
        let form = form.split("</form>").next().unwrap();
        let hidden = form.split("type=\"hidden\" name=\"").skip(1).map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"").unwrap();
            format!("{name}={}", encoded(rest.split('"').next().unwrap()))
        });
        hidden.collect::<Vec<_>>().join("&")
    }
}

/// A value out of a page, as a browser puts it into a form.
fn encoded(value: &str) -> String {
    let marks = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let plain = marks
        .iter()
        .fold(value.to_owned(), |text, (mark, sign)| text.replace(mark, sign));
    percent_encoding::utf8_percent_encode(&plain, percent_encoding::NON_ALPHANUMERIC).to_string()
}
