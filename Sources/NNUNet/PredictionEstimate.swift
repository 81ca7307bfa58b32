import Basics
import Engines
import ImageFormats
import Imaging
import Inference
import Networks

/// What a run would do and take, case by case, without doing it.
///
/// Cases are read and prepared, because the number of patches depends on the crop; the network runs once, on zeros, to
/// learn how long a pass takes on this machine.
public struct PredictionEstimate {
  private let opened: PredictionJob.Opened
  private let engine: any Engine

  public init(_ opened: PredictionJob.Opened, engine: any Engine) {
    self.opened = opened
    self.engine = engine
  }

  /// Calls `line` with the lines of the report.
  ///
  /// Throws what opening an image or compiling the network throws; a case that cannot be read is reported in its place.
  public func report(_ line: (String) -> Void) throws {
    let model = opened.model
    guard model.file == nil else {
      throw Failure(
        .usage, "what a network in a file costs is not estimated", file: model.path, hint: "leave out --explain")
    }
    let options = opened.job.options
    let patch = model.configuration.patchSize
    let inputShape = [1, model.inputChannelCount] + patch
    let network = model.networks[0]
    let cost = try network.graph.cost(forInput: inputShape)
    let compiled = try engine.compile(network, inputShape: inputShape, options: options.compile)
    let secondsPerPass = try Self.secondsPerPass(compiled)
    line("model    \(model.plans.datasetName), \(model.configuration.name), trained by \(model.trainerName)")
    line("network  \(network.graph.name), \(cost)")
    line(
      "engine   \(compiled.engineName), \(compiled.precision.rawValue), "
        + "\((secondsPerPass * 1000).brief) ms a pass")
    for note in compiled.notes { line("note     \(note)") }
    for files in opened.cases.cases {
      line("")
      line("case     \(files.identifier)")
      do {
        try explain(files, cost: cost, secondsPerPass: secondsPerPass, line)
      } catch let failure as Failure {
        line("         cannot be segmented: \(failure)")
      }
    }
  }

  private func explain(
    _ files: CaseFiles, cost: Cost, secondsPerPass: Double, _ line: (String) -> Void
  ) throws {
    let model = opened.model
    let image = try model.plans.reader.read(files.images)
    let shape = image.voxels.shape
    let spacing = image.spacing
    line("image    \(image.voxels.channels) channel(s), \(shape) voxels of \(spacing) mm")
    // A cascade's segmentation does not change the grid.
    let record = try CasePreparation(model: model).prepare(image, identifier: files.identifier).record
    let grid = model.grid(for: record, opened.job.options)
    let passesPerFold = model.passesPerFold(for: record, opened.job.options)
    let passes = passesPerFold * model.networks.count
    let tiles = grid.starts.map { String($0.count) }.joined(separator: "x")
    line(
      "grid     cropped to \(record.cropBox.shape), resampled to \(record.networkShape) voxels of "
        + "\(record.networkSpacing) mm")
    line(
      "patches  \(grid.count) (\(tiles)) of \(grid.patchShape), "
        + "\(passesPerFold / grid.count) mirroring(s), \(model.networks.count) fold(s): \(passes) passes")
    line("work     \((Double(cost.operations) * Double(passes) / 1e9).brief) GFLOP")
    line("memory   about \(memory(record, cost: cost) >> 20) MiB beside the engine's own")
    line("time     about \((secondsPerPass * Double(passes)).brief) s in the network")
  }

  /// Bytes at the worst moment: while reading, or while the network runs.
  private func memory(_ record: PreparationRecord, cost: Cost) -> Int {
    let model = opened.model
    let classes = model.dataset.labels.outputCount
    let network = record.networkShape
    let patch = model.configuration.patchSize
    let depth = min(network.z, (patch.count == 3 ? patch[0] : 1) + 1)
    let band = classes * model.networks.count * depth * network.y * network.x * 2
    let tile = 2 * classes * patch.reduce(4, *)
    let labels = record.originalShape.count * (model.dataset.labels.needsWideLabels ? 2 : 1)
    let input = model.inputChannelCount * network.count * 4
    let predicting = band + tile + labels + input + cost.peakActivationBytes
    // The file's voxels as they are stored, as floats, and transposed or resampled.
    let reading = model.dataset.channelCount * record.originalShape.count * 4 * 2 + input
    return max(predicting, reading)
  }

  /// Seconds of one pass when the device is kept busy: the shortest of three rounds after one to warm up.
  public static func secondsPerPass(_ network: any CompiledNetwork) throws -> Double {
    let requests = try (0..<max(1, network.concurrentRequests)).map { _ in try network.makeRequest() }
    for request in requests { request.input.update(repeating: 0) }
    var shortest = Double.infinity
    for round in 0..<4 {
      var clock = Stopwatch()
      for request in requests { try request.start() }
      for request in requests { _ = try request.wait() }
      let seconds = clock.lap() / Double(requests.count)
      if round > 0 { shortest = min(shortest, seconds) }
    }
    return shortest
  }
}
