//! PixelMed's server.

use outrigger_model::AeTitle;
use outrigger_sim::peers::PixelMed;

use crate::sending::{Study, echo_and_store, find_study};

#[tokio::test]
async fn peer_pixelmed_stores_and_finds() {
    let scp = PixelMed::start(&AeTitle::new("PIXELMED").unwrap(), &[]).await.unwrap();
    let study = Study::new(31);
    echo_and_store(scp.station(), &study).await;
    find_study(scp.station(), &study).await;
}
