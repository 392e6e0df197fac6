//! Stores at the end of ways to a server that are long, or on which some bytes are others.

use std::time::Duration;

use curfew_engine::config::UsersConfig;
use curfew_engine::store::sql::SqlStore;

use super::Database;
use super::far::far;
use super::posing::posing;

impl Database {
    /// The store at the end of a long way to a server.
    pub async fn far_store(&self, way: Duration) -> SqlStore {
        let mut url = self.url();
        let port = far(url.port().unwrap(), way).await;
        url.set_port(Some(port)).unwrap();
        self.store_at(url.as_str(), &UsersConfig::default()).await
    }

    /// The same at a MySQL server, which poses as a MariaDB of this version.
    #[allow(dead_code, reason = "what depends on it are locks alone")]
    pub async fn posing_store(&self, version: &str) -> SqlStore {
        let own = self.texts("SELECT VERSION()").await.remove(0);
        let number = own.split('-').next().unwrap().to_owned();
        // What follows the last dot is of no interest.
        let other = format!("{version}.{}", "0".repeat(number.len() - version.len() - 1));
        self.misheard_store(&number, &other, "ssl-mode=disabled")
            .await
    }

    /// The same, at the end of a way on which this is heard in the place of that.
    pub async fn misheard_store(&self, said: &str, heard: &str, plain: &str) -> SqlStore {
        let mut url = self.url();
        let port = posing(url.port().unwrap(), said.to_owned(), heard.to_owned()).await;
        url.set_port(Some(port)).unwrap();
        url.set_query(Some(plain));
        self.store_at(url.as_str(), &UsersConfig::default()).await
    }
}
