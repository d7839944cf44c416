//! What reads the requests of a web door: tests of the door run over both, which a client cannot tell apart.

/// A web server, by the name it has in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WebServer(&'static str);

impl WebServer {
    pub(crate) const AXUM: Self = Self("axum");
    pub(crate) const ACTIX: Self = Self("actix");

    /// The one that is unlike it.
    pub(crate) fn other(self) -> Self {
        if self == Self::AXUM { Self::ACTIX } else { Self::AXUM }
    }

    /// The table of a listener on a free port; more keys may follow.
    pub(crate) fn listener(self) -> String {
        format!("[[front.web]]\nlisten = \"127.0.0.1:0\"\nserver = \"{}\"\n", self.0)
    }
}

/// Makes two tests of each that takes a web server.
macro_rules! over_both {
    (#[$test:meta] $($name:ident),+ $(,)?) => {
        mod on_axum {
            $(#[$test] async fn $name() { super::$name(crate::servers::WebServer::AXUM).await; })+
        }
        mod on_actix {
            $(#[$test] async fn $name() { super::$name(crate::servers::WebServer::ACTIX).await; })+
        }
    };
}
