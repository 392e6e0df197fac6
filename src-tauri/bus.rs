//! The two questions to the desktop's session bus: who owns a name, and what its notification daemon can do.
//! Each opens a connection of its own, so a dead bus costs one failed call and nothing else.

/// The notification daemon's name.
pub const NOTIFICATIONS: &str = "org.freedesktop.Notifications";
/// Whoever shows tray icons.
pub const TRAY: &str = "org.kde.StatusNotifierWatcher";

/// Whether somebody owns `name` now. Nobody is started for it.
pub async fn has_owner(name: &'static str) -> zbus::Result<bool> {
    let bus = zbus::Connection::session().await?;
    let proxy = zbus::fdo::DBusProxy::new(&bus).await?;
    Ok(proxy.name_has_owner(name.try_into()?).await?)
}

/// The daemon's capabilities. Can hang as long as the daemon does.
pub async fn capabilities() -> zbus::Result<Vec<String>> {
    let bus = zbus::Connection::session().await?;
    let answer = bus
        .call_method(
            Some(NOTIFICATIONS),
            "/org/freedesktop/Notifications",
            Some(NOTIFICATIONS),
            "GetCapabilities",
            &(),
        )
        .await?;
    answer.body().deserialize()
}
