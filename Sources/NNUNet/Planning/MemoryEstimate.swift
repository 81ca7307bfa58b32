/// How much memory training a network takes, in numbers that its feature maps hold for one patch.
///
/// nnU-Net builds the network and adds up its feature maps; the sum has a closed form.
enum MemoryEstimate {
  /// Residual blocks per encoder stage.
  static func blocks(stage: Int) -> Int { stage < 3 ? [1, 3, 4][stage] : 6 }

  /// - Parameter heads: entries of the dataset's `labels`, background and ignore included.
  static func count(_ topology: NetworkTopology, architecture: PlannerPreset.Architecture, heads: Int) -> Int {
    let features = topology.features
    var size = topology.patch
    // Numbers in one feature map with all its channels, by stage.
    let maps = topology.strides.enumerated().map { stage, stride in
      for axis in size.indices { size[axis] /= stride[axis] }
      return features[stage] * size.reduce(1, *)
    }
    let voxels = topology.patch.reduce(1, *)
    switch architecture {
    case .plain:
      let encoder = 2 * maps.reduce(0, +)
      return encoder + 3 * maps.dropLast().reduce(0, +) + heads * voxels
    case .residual:
      var encoder = maps[0]
      for (stage, map) in maps.enumerated() {
        let isStrided = topology.strides[stage].contains { $0 != 1 }
        let hasSkip = stage > 0 && (isStrided || features[stage] != features[stage - 1])
        encoder += (2 * blocks(stage: stage) + (hasSkip ? 1 : 0)) * map
      }
      return encoder + 2 * maps.dropLast().reduce(0, +) + heads * voxels
    }
  }
}
