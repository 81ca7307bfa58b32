import Basics
import Engines
import Imaging
import Networks

/// Receives logits as soon as no later tile can change them.
public protocol LogitsSink: AnyObject {
  /// All slices below `end` are final. The band still holds the finished slices since the call before, and the last
  /// one of that call.
  func consume(upTo end: Int, of band: LogitsBand) throws
}

/// Runs networks over an image patch by patch and blends the overlapping predictions.
///
/// Tiles are visited in the reference's order, Z slowest. Because the order is known, a slice is finished, handed to the
/// sink and forgotten once the tiles have moved past it: memory is (patch depth) x (plane) x (classes).
public struct SlidingWindow: Sendable {
  public let grid: TileGrid
  public let importance: ImportanceMap
  private let flips: [Flip]
  private let activation: Activation

  /// - Parameters:
  ///   - importance: of the grid's patch; the same for all images, so it is made once.
  ///   - mirrorAxes: axes of the patch (0 is its first) over which predictions are averaged; empty for none.
  ///   - activation: what is averaged of the networks' answers.
  public init(grid: TileGrid, importance: ImportanceMap, mirrorAxes: [Int], activation: Activation = .none) {
    self.grid = grid
    self.activation = activation
    self.importance = importance
    flips = Flip.all(of: mirrorAxes.map { grid.isPlanar ? $0 + 1 : $0 })
  }

  /// The number of forward passes for one fold.
  public var passesPerFold: Int { grid.count * flips.count }

  /// Predicts `image` (C, Z, Y, X) with every network (one per fold) and gives the mean logits to `sink`.
  ///
  /// - Parameters:
  ///   - heads: the last layers of the networks, which then give features; empty when they give logits. Only features may
  ///     come with their channels last, and only without mirroring.
  ///   - progress: called after each forward pass with the number done and the total; may throw to stop.
  /// - Throws: what the engine, the sink or `progress` throws; `badInput` for infinite logits.
  public func run(
    _ image: Volume<Float>, networks: [any CompiledNetwork], heads: [PointwiseHead] = [], into sink: any LogitsSink,
    progress: (_ done: Int, _ total: Int) throws -> Void
  ) throws {
    guard let first = networks.first else { return }
    precondition(image.shape == grid.imageShape)
    precondition(heads.isEmpty || heads.count == networks.count, "a head for every network, or none")
    precondition(heads.isEmpty || activation == .none, "activations are of logits, not of features")
    let takesChannelsLast = !heads.isEmpty && heads.allSatisfy(\.takesChannelsLast) && flips.count == 1
    precondition(
      takesChannelsLast || !networks.contains(where: \.isChannelsLast),
      "only features that are not mirrored may have their channels last")
    let run = Run(
      window: self, flips: flips, image: image, channels: first.outputShape[1], networks: networks, heads: heads,
      sink: sink, activation: activation)
    try run.execute(progress: progress)
  }
}

/// One pass over one image: the jobs in flight, the band, and where in the tile order each of them is.
private final class Run {
  /// A forward pass of one reversal of one tile.
  private struct Job {
    let fold: Int
    /// The index of the tile's Z position.
    let row: Int
    let tile: Tile
    let flip: Flip
    let isFirst: Bool
    let isLast: Bool
  }

  private let window: SlidingWindow
  private let flips: [Flip]
  private let image: Volume<Float>
  private let networks: [any CompiledNetwork]
  private let heads: [PointwiseHead]
  private let sink: any LogitsSink
  private let band: LogitsBand
  /// What a network gives: logits, or the features that its head makes them of.
  private let channels: Int
  /// The sum over the reversals of the current tile (channels, Z, Y, X).
  private let mirrorSum: UnsafeMutablePointer<Float>
  private let activation: Activation
  /// A prediction after its activation; empty without one.
  private let activated: UnsafeMutablePointer<Float>
  private var row = -1
  private var finished = 0

  init(
    window: SlidingWindow, flips: [Flip], image: Volume<Float>, channels: Int, networks: [any CompiledNetwork],
    heads: [PointwiseHead], sink: any LogitsSink, activation: Activation
  ) {
    self.activation = activation
    self.window = window
    self.flips = flips
    self.image = image
    self.networks = networks
    self.heads = heads
    self.sink = sink
    self.channels = channels
    let shape = image.shape
    band = LogitsBand(
      channels: heads.first?.outputs ?? channels, folds: networks.count,
      depth: min(shape.z, window.grid.patchShape.z + 1), rows: shape.y,
      columns: shape.x)
    mirrorSum = .allocate(capacity: flips.count > 1 ? channels * window.grid.patchShape.count : 0)
    activated = .allocate(capacity: activation == .none ? 0 : channels * window.grid.patchShape.count)
  }

  deinit {
    mirrorSum.deallocate()
    activated.deallocate()
  }

  /// Keeps the engine's requests full and consumes results strictly in the order the jobs were issued.
  func execute(progress: (Int, Int) throws -> Void) throws {
    var idle: [[any InferenceRequest]] = networks.map { _ in [] }
    var flying: [(jobs: [Job], request: any InferenceRequest)] = []
    var head = 0
    let total = window.passesPerFold * networks.count
    var done = 0

    func land() throws {
      let (jobs, request) = flying[head]
      head += 1
      if head > 64 {
        flying.removeFirst(head)
        head = 0
      }
      let output = try request.wait()
      guard let logits = output.baseAddress else { return }
      for (place, job) in jobs.enumerated() {
        try take(job, logits + place * channels * window.grid.patchShape.count)
        done += 1
        try progress(done, total)
      }
      idle[jobs[0].fold].append(request)
    }

    for jobs in batches() {
      let fold = jobs[0].fold
      while flying.count - head >= networks[fold].concurrentRequests { try land() }
      let request = try idle[fold].popLast() ?? networks[fold].makeRequest()
      guard let input = request.input.baseAddress else { continue }
      for (place, job) in jobs.enumerated() {
        job.flip.copy(job.tile, of: image, to: input + place * image.channels * window.grid.patchShape.count)
      }
      try request.start()
      flying.append((jobs, request))
    }
    while head < flying.count { try land() }
    try finishRow(before: window.grid.starts[0].count)
  }

  /// All jobs in order, grouped by the networks' batch size; a batch never spans two folds or two rows of tiles.
  private func batches() -> AnySequence<[Job]> {
    let grid = window.grid
    let sizes = networks.map { max(1, $0.inputShape[0]) }
    return AnySequence { [flips, networks, image] in
      var row = 0
      var fold = 0
      var position = 0
      let perRow = grid.starts[1].count * grid.starts[2].count * flips.count
      return AnyIterator { () -> [Job]? in
        if position == perRow {
          position = 0
          fold += 1
        }
        if fold == networks.count {
          fold = 0
          row += 1
        }
        guard row < grid.starts[0].count else { return nil }
        let end = min(perRow, position + sizes[fold])
        defer { position = end }
        return (position..<end).map { index in
          let (tile, flip) = index.quotientAndRemainder(dividingBy: flips.count)
          let (y, x) = tile.quotientAndRemainder(dividingBy: grid.starts[2].count)
          return Job(
            fold: fold, row: row,
            tile: Tile(
              start: Shape3D(grid.starts[0][row], grid.starts[1][y], grid.starts[2][x]), patch: grid.patchShape,
              image: image.shape),
            flip: flips[flip], isFirst: flip == 0, isLast: flip == flips.count - 1)
        }
      }
    }
  }

  /// Adds one prediction (channels, Z, Y, X) to its tile, and the tile to the band when its reversals are complete.
  private func take(_ job: Job, _ logits: UnsafePointer<Float>) throws {
    if job.row != row { try finishRow(before: job.row) }
    let patch = window.grid.patchShape
    var logits = logits
    if activation != .none {
      activation.apply(logits, to: activated, channels: channels, count: patch.count)
      logits = UnsafePointer(activated)
    }
    var prediction = logits
    if flips.count > 1 {
      let sum = Shared(mirrorSum)
      let logits = Shared(logits)
      Parallel.ranges(channels) { channels in
        if job.isFirst {
          for channel in channels {
            (sum.value + channel * patch.count).update(from: logits.value + channel * patch.count, count: patch.count)
          }
        } else {
          job.flip.add(logits.value, to: sum.value, channels: channels, patch: patch)
        }
      }
      guard job.isLast else { return }
      prediction = UnsafePointer(mirrorSum)
    }
    window.importance.bits.withUnsafeBufferPointer { bits in
      guard let importance = bits.baseAddress else { return }
      // The number of reversals is a power of two, so this scaling is exact.
      let scale = 1 / Float(flips.count)
      if heads.isEmpty {
        band.add(prediction, fold: job.fold, tile: job.tile, importance: importance, scale: scale)
      } else {
        band.add(
          features: prediction, isChannelsLast: networks[job.fold].isChannelsLast, head: heads[job.fold],
          fold: job.fold, tile: job.tile, importance: importance, scale: scale)
      }
    }
  }

  /// Finishes the slices that only rows before `next` cover, hands them on, and opens those of row `next`.
  private func finishRow(before next: Int) throws {
    let starts = window.grid.starts[0]
    if row >= 0 {
      let end = next < starts.count ? min(image.shape.z, max(0, starts[next])) : image.shape.z
      if end > finished {
        try band.finish(finished..<end)
        finished = end
        try sink.consume(upTo: end, of: band)
      }
    }
    row = next
    if next < starts.count {
      band.open(upTo: min(image.shape.z, starts[next] + window.grid.patchShape.z))
    }
  }
}
