//! A person's browser: one cookie, the site's own views.

use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use url::form_urlencoded;

#[derive(Clone)]
pub struct Browser {
    http: Client,
    address: String,
    key: String,
}

impl Browser {
    pub fn new(http: Client, address: String, key: &str) -> Self {
        Self {
            http,
            address,
            key: key.to_owned(),
        }
    }

    /// The session key that this browser holds.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub async fn sign_in(&mut self, username: &str) {
        let form = [("username", username), ("password", "correct horse")];
        let answer = self.post("login", &form).await;
        assert_eq!(answer.status(), StatusCode::OK, "{username} cannot sign in");
        assert!(!self.key.is_empty(), "signing in sets a cookie");
    }

    /// Who the site says that this browser is. Asking counts as activity, as any request does.
    pub async fn whoami(&mut self) -> Option<String> {
        self.get("whoami").await.1["username"]
            .as_str()
            .map(str::to_owned)
    }

    pub async fn get(&mut self, path: &str) -> (StatusCode, Value) {
        let request = self.http.get(format!("{}/{path}", self.address));
        let answer = self.send(request).await;
        let status = answer.status();
        let body = answer.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    pub async fn change_password(&mut self, password: &str) {
        let answer = self.post("password", &[("password", password)]).await;
        assert!(answer.status().is_success());
    }

    /// Whom an API takes this `Authorization` for. Needs no cookie.
    pub async fn api(&self, authorization: &str) -> Option<String> {
        let request = self.http.get(format!("{}/api/whoami", self.address));
        let answer = request
            .header("Authorization", authorization)
            .send()
            .await
            .unwrap();
        let body = answer.text().await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        body["username"].as_str().map(str::to_owned)
    }

    /// Sends a form, and returns the status of the answer.
    pub async fn submit(&mut self, path: &str, form: &[(&str, &str)]) -> StatusCode {
        self.post(path, form).await.status()
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self.http.post(format!("{}/{path}", self.address));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(body)).await
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let request = match self.key.as_str() {
            "" => request,
            key => request.header(COOKIE, format!("sessionid={key}")),
        };
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            if let Some(rest) = cookie.strip_prefix("sessionid=") {
                // An emptied cookie comes as "": the site has signed this browser out.
                let value = rest.split(';').next().unwrap_or("");
                self.key = value.trim_matches('"').to_owned();
            }
        }
        answer
    }
}
