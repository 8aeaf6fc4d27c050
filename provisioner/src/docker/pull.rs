//! Images: whether one is here, and fetching one that is not.

use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;

use super::deadline::{CALL, within};
use super::pull_report::{Layer, PullReport};
use crate::{ImageName, Progress, ProvisionError};

/// Longest silence within a pull. There is no limit to the whole: a large image over a thin line takes hours.
const SILENCE: Duration = Duration::from_mins(2);

const WHAT: &str = "pull the image";

/// Whether the engine has the image.
pub(super) async fn image_exists(
    client: &bollard::Docker,
    image: &ImageName,
) -> Result<bool, ProvisionError> {
    match within("inspect the image", CALL, client.inspect_image(&image.tagged())).await {
        Ok(_image) => Ok(true),
        Err(error) if error.is_status(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has the engine fetch the image, and says how far it is.
pub(super) async fn pull(
    client: &bollard::Docker,
    image: &ImageName,
    progress: &Progress,
) -> Result<(), ProvisionError> {
    progress.say(format!("pulling {image}"));
    let options = CreateImageOptionsBuilder::default().from_image(&image.tagged()).build();
    let mut news = client.create_image(Some(options), None, None);
    let mut report = PullReport::new(image);
    while let Some(info) = next(&mut news).await.map_err(|error| error.into_image_missing(image))? {
        if let Some(sentence) = report.add(&layer(info)) {
            progress.say(sentence);
        }
    }
    Ok(())
}

async fn next(
    news: &mut (impl StreamExt<Item = Result<CreateImageInfo, bollard::errors::Error>> + Unpin),
) -> Result<Option<CreateImageInfo>, ProvisionError> {
    within(WHAT, SILENCE, async { news.next().await.transpose() }).await
}

fn layer(info: CreateImageInfo) -> Layer {
    let detail = info.progress_detail.unwrap_or_default();
    let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    Layer {
        id: info.id.unwrap_or_default(),
        status: info.status.unwrap_or_default(),
        current: bytes(detail.current),
        total: bytes(detail.total),
    }
}
