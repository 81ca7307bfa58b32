import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Patch size, batch size and network for one spacing: the largest patch that fits the memory, then the largest batch.
struct NetworkPlan {
  let topology: NetworkTopology
  let batchSize: Int

  /// The patch that planning starts from has as many voxels as a cube (square) of this edge.
  private static func initialEdge(rank: Int) -> Double { rank == 3 ? 256 : 2048 }
  /// The batch size for which the presets' references hold.
  private static func referenceBatch(rank: Int) -> Double { rank == 3 ? 2 : 12 }
  private static let smallestBatch = 2

  /// - Parameters:
  ///   - spacing: in mm, two or three numbers.
  ///   - median: the dataset's median size in voxels at this spacing; need not be whole.
  ///   - datasetVoxels: voxels of the whole dataset.
  ///   - heads: entries of the dataset's `labels`.
  init(
    spacing: [Double], median: [Double], datasetVoxels: Double, heads: Int, preset: PlannerPreset, memory: Double?
  ) throws {
    let rank = spacing.count
    let referenceBatch = Self.referenceBatch(rank: rank)
    let reference = (rank == 3 ? preset.reference3D : preset.reference2D) * ((memory ?? preset.memory) / preset.memory)
    let inverse = spacing.map { 1 / $0 }
    let edge = pow(Self.initialEdge(rank: rank), Double(rank)) / inverse.reduce(1, *)
    let factor = pow(edge, 1 / Double(rank))
    let initial = (0..<rank).map { min((inverse[$0] * factor).rounded(.toNearestOrEven), median[$0]) }

    var topology = NetworkTopology(spacing: spacing, size: initial)
    var estimate = Self.estimate(topology, preset, heads)
    func isTooLarge() -> Bool {
      switch preset.architecture {
      case .plain: estimate / referenceBatch * 2 > reference
      case .residual: estimate > reference
      }
    }
    while isTooLarge() {
      var patch = topology.patch
      // Of equally oversized axes the last.
      let axis = (0..<rank).reduce(0) {
        Double(patch[$1]) / median[$1] >= Double(patch[$0]) / median[$0] ? $1 : $0
      }
      var trial = patch.map(Double.init)
      trial[axis] -= Double(topology.divisors[axis])
      patch[axis] -= NetworkTopology(spacing: spacing, size: trial).divisors[axis]
      guard patch[axis] > 0 else {
        throw Failure(
          .usage, "no network fits into \(memory ?? preset.memory) GB of GPU memory",
          hint: "plan for more with -gpu_memory_target")
      }
      topology = NetworkTopology(spacing: spacing, size: patch.map(Double.init))
      estimate = Self.estimate(topology, preset, heads)
    }
    let fitting = (reference / estimate * referenceBatch).rounded(.toNearestOrEven)
    let sensible =
      (datasetVoxels * preset.coverage / Double(topology.patch.reduce(1, *))).rounded(.toNearestOrEven)
    self.topology = topology
    guard let batch = Int(exactly: min(fitting, sensible)) else {
      throw Failure(
        .badInput, "no network can be planned for images of \(median.map { Int($0) }) voxels",
        hint: "look at the spacings of the dataset's images")
    }
    batchSize = max(batch, Self.smallestBatch)
  }

  private static func estimate(_ topology: NetworkTopology, _ preset: PlannerPreset, _ heads: Int) -> Double {
    Double(MemoryEstimate.count(topology, architecture: preset.architecture, heads: heads))
  }

  var patchVoxels: Double { Double(topology.patch.reduce(1, *)) }

  /// The `architecture` entry of a configuration.
  func architecture(_ kind: PlannerPreset.Architecture) -> JSON {
    let rank = topology.patch.count
    let stages = topology.stageCount
    func list(_ values: [Int]) -> JSON { .array(values.map(JSON.int)) }
    func lists(_ values: [[Int]]) -> JSON { .array(values.map(list)) }
    let isPlain = kind == .plain
    let blocks = (0..<stages).map { isPlain ? 2 : MemoryEstimate.blocks(stage: $0) }
    let family = isPlain ? "PlainConvUNet" : "ResidualEncoderUNet"
    return .object([
      "network_class_name": .string("dynamic_network_architectures.architectures.unet.\(family)"),
      "arch_kwargs": .object([
        "n_stages": .int(stages),
        "features_per_stage": list(topology.features),
        "conv_op": .string("torch.nn.modules.conv.Conv\(rank)d"),
        "kernel_sizes": lists(topology.kernels),
        "strides": lists(topology.strides),
        (isPlain ? "n_conv_per_stage" : "n_blocks_per_stage"): list(blocks),
        "n_conv_per_stage_decoder": list([Int](repeating: isPlain ? 2 : 1, count: stages - 1)),
        "conv_bias": .bool(true),
        "norm_op": .string("torch.nn.modules.instancenorm.InstanceNorm\(rank)d"),
        "norm_op_kwargs": .object(["eps": .double(1e-05), "affine": .bool(true)]),
        "dropout_op": .null,
        "dropout_op_kwargs": .null,
        "nonlin": .string("torch.nn.LeakyReLU"),
        "nonlin_kwargs": .object(["inplace": .bool(true)]),
      ]),
      "_kw_requires_import": .array(["conv_op", "norm_op", "dropout_op", "nonlin"].map(JSON.string)),
    ])
  }
}
