//! Every test of the web door runs over both web servers, which a client cannot tell apart.

/// Makes two tests of each that takes a web server.
macro_rules! over_both {
    (#[$test:meta] $($name:ident),+ $(,)?) => {
        mod on_axum {
            $(#[$test] async fn $name() { super::$name(outrigger_front::WebServer::Axum).await; })+
        }
        mod on_actix {
            $(#[$test] async fn $name() { super::$name(outrigger_front::WebServer::Actix).await; })+
        }
    };
}
