//! Folds the engine's many lines about layers into one sentence. Pure.

use std::collections::BTreeMap;

use crate::ImageName;

/// One line of a pull: what one layer is at.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) id: String,
    pub(super) status: String,
    /// Bytes done.
    pub(super) current: Option<u64>,
    /// Bytes in all, if the registry says.
    pub(super) total: Option<u64>,
}

/// What is known of all layers so far.
#[derive(Debug)]
pub(super) struct PullReport {
    image: String,
    /// Bytes done and in all, by layer.
    layers: BTreeMap<String, (u64, u64)>,
    said: String,
}

impl PullReport {
    pub(super) fn new(image: &ImageName) -> Self {
        Self { image: image.to_string(), layers: BTreeMap::new(), said: String::new() }
    }

    /// Takes a line in. A sentence comes back if there is something new to say.
    pub(super) fn add(&mut self, layer: &Layer) -> Option<String> {
        match layer.status.as_str() {
            "Downloading" => {
                let current = layer.current.unwrap_or_default();
                let total = layer.total.unwrap_or_default().max(current);
                self.layers.insert(layer.id.clone(), (current, total));
            }
            "Download complete" | "Verifying Checksum" => {
                self.layers.entry(layer.id.clone()).and_modify(|(current, total)| *current = *total);
            }
            _ => return None,
        }
        let (current, total) = self.layers.values().fold((0_u64, 0_u64), |(current, total), layer| {
            (current.saturating_add(layer.0), total.saturating_add(layer.1))
        });
        let sentence = format!("pulling {}: {} of {} MB", self.image, current / 1_000_000, total / 1_000_000);
        (sentence != self.said).then(|| {
            self.said.clone_from(&sentence);
            sentence
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, status: &str, current: u64, total: u64) -> Layer {
        Layer { id: id.to_owned(), status: status.to_owned(), current: Some(current), total: Some(total) }
    }

    #[test]
    fn layers_add_up_to_one_sentence_and_nothing_is_said_twice() {
        let mut report = PullReport::new(&"debian:12".parse().unwrap());
        let said: Vec<_> = [
            line("", "Pulling from library/debian", 0, 0),
            line("a", "Pulling fs layer", 0, 0),
            line("a", "Downloading", 1_000_000, 100_000_000),
            line("a", "Downloading", 1_100_000, 100_000_000),
            line("b", "Downloading", 9_000_000, 20_000_000),
            line("a", "Download complete", 0, 0),
            line("a", "Extracting", 5_000_000, 100_000_000),
        ]
        .iter()
        .filter_map(|layer| report.add(layer))
        .collect();
        assert_eq!(
            said,
            [
                "pulling debian:12: 1 of 100 MB",
                "pulling debian:12: 10 of 120 MB",
                "pulling debian:12: 109 of 120 MB",
            ]
        );
    }

    #[test]
    fn a_layer_of_unknown_size_is_as_large_as_what_came() {
        let mut report = PullReport::new(&"debian".parse().unwrap());
        let layer = Layer { current: Some(7_000_000), total: None, ..line("a", "Downloading", 0, 0) };
        assert_eq!(report.add(&layer).as_deref(), Some("pulling debian: 7 of 7 MB"));
    }
}
