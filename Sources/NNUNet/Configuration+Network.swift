import Basics
import Networks

extension Configuration {
  /// Image channels, plus one per foreground label for the second stage of a cascade.
  public func inputChannelCount(for dataset: DatasetDescription) -> Int {
    dataset.channelCount + (previousStage == nil ? 0 : dataset.labels.foregroundLabels.count)
  }

  /// The network the plans describe, in either of their forms, with the channels the dataset asks for.
  ///
  /// Throws `badInput` for a network that is not known or has other axes than the patch.
  public func network(for dataset: DatasetDescription) throws -> UNetConfiguration {
    let (inputs, outputs) = (inputChannelCount(for: dataset), dataset.labels.outputCount)
    let network =
      if let architecture = json["architecture"] {
        try UNetConfiguration(architecture: architecture, inputChannels: inputs, outputChannels: outputs)
      } else {
        try UNetConfiguration(legacy: json, inputChannels: inputs, outputChannels: outputs)
      }
    guard network.spatialRank == patchSize.count else {
      throw Failure(
        .badInput, "the network has \(network.spatialRank) axes, the patch of \(name) has \(patchSize.count)")
    }
    return network
  }
}
