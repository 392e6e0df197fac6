//! Projects that cannot be asked, or that say more than they are asked.

use std::time::{Duration, Instant};

use curfew_engine::error::Code;

use crate::project::{Django, Shop};

on_each_django! {
    a_project_that_talks_is_understood
    a_project_that_fails_says_why
    a_project_that_hangs_is_given_up_and_ended
    a_database_that_curfew_cannot_read_is_said
}

async fn a_project_that_talks_is_understood(django: Django) {
    let noise = "import sys, atexit\nprint('loading', '{}' * 200000)\nprint('curfew-0\\n{}\\ncurfew-0')\n\
                 print('x' * 500000, file=sys.stderr)\natexit.register(print, 'bye')\nsys.stdout.write('no line break')";
    let shop = Shop::new(django, noise);
    shop.taken().await.is("user table", "auth_user").quiet();
}

async fn a_project_that_fails_says_why(django: Django) {
    for (settings, says) in [
        (
            "from django.core.exceptions import ImproperlyConfigured\n\
             raise ImproperlyConfigured('Set the SHOP_DB variable')",
            "ImproperlyConfigured: Set the SHOP_DB variable",
        ),
        (
            "raise ValueError('bad address postgres://ana:canary@db/shop')",
            "postgres://***@db/shop",
        ),
        ("import no_such_module", "no_such_module"),
        ("import os; os._exit(3)", "exit status: 3"),
        ("import sys; sys.exit(0)", "without an answer"),
        ("AUTH_USER_MODEL = 'shop.Nobody'", "shop.Nobody"),
        ("SESSION_ENGINE = 'shop.nothing'", "shop.nothing"),
    ] {
        let error = Shop::new(django, settings).ask().await.unwrap_err();
        assert_eq!(error.code, Code::Project, "{settings}");
        assert!(error.message.contains(says), "{}", error.message);
        assert!(
            error.message.contains("shop/manage.py"),
            "{}",
            error.message
        );
    }
}

async fn a_project_that_hangs_is_given_up_and_ended(django: Django) {
    let hang = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)";
    let shop = Shop::new(django, hang).within(Duration::from_secs(3));
    let started = Instant::now();
    let error = shop.ask().await.unwrap_err();
    assert_eq!(error.code, Code::Project);
    assert!(error.message.contains("within 3s"), "{}", error.message);
    assert!(started.elapsed() < Duration::from_secs(60));
    let pid = std::fs::read_to_string(shop.path().join("pid")).unwrap();
    let gone = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // Ended, and not yet waited for.
        Ok(stat) => stat.rsplit(')').next().unwrap().trim().starts_with('Z'),
        Err(_) => true,
    };
    while cfg!(target_os = "linux") && !gone() {
        assert!(started.elapsed() < Duration::from_secs(60), "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_database_that_curfew_cannot_read_is_said(django: Django) {
    let shop = Shop::new(django, "DATABASES['default']['NAME'] = ':memory:'");
    let error = shop.ask().await.unwrap_err();
    assert_eq!(error.code, Code::Project);
    assert!(error.message.contains("memory"), "{}", error.message);
}
