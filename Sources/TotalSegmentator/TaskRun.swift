import Basics
import Dispatch
import Engines
import ImageFormats
import Imaging
import NNUNet
import Synchronization

/// Runs a task over cases: reads ahead, segments, writes behind, and carries on past a bad case.
///
/// Networks are loaded once, however many cases there are.
public final class TaskRun: Sendable {
  let task: SegmentationTask
  let weights: WeightStore
  private let engine: any Engine
  let options: TaskOptions
  let output: Output
  /// What the user is told when the run begins.
  private let notices: [String]
  /// Receives events from several threads, one at a time.
  private let report: @Sendable (TaskEvent) -> Void
  private let reporting = DispatchSemaphore(value: 1)

  /// What is made of a segmentation.
  public struct Output: Sendable {
    public var statistics = ClassStatistics.Options()
    /// Make the further masks that some tasks define.
    public var derivesMasks = true

    public init() {}
  }

  /// - Throws: `usage` for an unknown task or class, and for options that exclude each other.
  public init(
    weights: WeightStore, engine: any Engine, options: TaskOptions, output: Output,
    report: @escaping @Sendable (TaskEvent) -> Void
  ) throws {
    task = try weights.catalogue.task(named: options.task)
    self.weights = weights
    self.engine = engine
    var options = options
    var notices = [task.notice].compactMap(\.self)
    // As in TotalSegmentator, it is the name that counts.
    if options.cropsToBody, task.name.hasSuffix("_mr") {
      options.cropsToBody = false
      notices.append("--body_seg is left out: the model of the body knows CT images only")
    }
    self.options = options
    self.notices = notices
    self.output = output
    self.report = report
    try options.check(with: task)
  }

  /// How many cases ended in which way.
  public struct Summary: Sendable {
    public var finished = 0
    public var failures: [(identifier: String, failure: Failure)] = []
  }

  private struct Behind: Sendable {
    var segmentation: TaskSegmentation
    var image: NIfTIImage
    var timing: TaskTiming
  }

  /// Segments `cases`. A case that fails is reported and counted; the others are still done.
  ///
  /// Throws `usage` when a result would replace an image, `cannotWrite` when there is no place for results, `missingInput`
  /// when weights are missing, `engine` when the networks cannot be compiled, and `interrupted`
  /// when the user asked to stop.
  public func run(_ cases: [TaskCase]) throws -> Summary {
    try checkOutputs(of: cases)
    for notice in notices { emit(.note(notice)) }
    try checkWeights()
    let folders = try OutputFolders(for: cases, options)
    defer { folders.removeEmpty() }
    let announced = Mutex(false)
    let models = TaskModels(
      weights: weights, engine: engine, compile: options.compile, usesSmallModel: options.usesSmallModel,
      keeps: cases.count > 1
    ) { predictor in
      let isFirst = announced.withLock { wasAnnounced in
        defer { wasAnnounced = true }
        return !wasAnnounced
      }
      guard isFirst else { return }
      self.emit(.ready(engine: predictor.engineName, precision: predictor.precision, notes: predictor.notes))
    }
    let segmenter = TaskSegmenter(
      task: task, catalogue: weights.catalogue, models: models, options: options, report: { self.emit($0) })
    let failures = Mutex<[(identifier: String, failure: Failure)]>([])
    let clashes = TaskCase.clashes(among: cases)
    for (item, failure) in zip(cases, clashes) {
      guard let failure else { continue }
      failures.withLock { $0.append((item.identifier, failure)) }
      emit(.failed(identifier: item.identifier, failure: failure))
    }
    try CasePipeline.run(zip(cases, clashes).filter { $0.1 == nil }.map(\.0)) { item in
      var clock = Stopwatch()
      let image = try NIfTIImage(path: item.image)
      return (image, clock.lap())
    } work: { item, input in
      try self.segment(item, input.0, readSeconds: input.1, with: segmenter)
    } write: { item, result in
      try self.write(item, result)
    } failed: { item, failure in
      let failure = failure.located(in: item.image)
      failures.withLock { $0.append((item.identifier, failure)) }
      self.emit(.failed(identifier: item.identifier, failure: failure))
    }
    var summary = Summary()
    summary.failures = failures.withLock { $0 }
    summary.finished = cases.count - summary.failures.count
    return summary
  }

  private func segment(
    _ item: TaskCase, _ image: NIfTIImage, readSeconds: Double, with segmenter: TaskSegmenter
  ) throws -> Behind {
    for warning in image.warnings { emit(.warning("\(item.image): \(warning)")) }
    emit(.began(identifier: item.identifier))
    var timing = TaskTiming()
    timing.read = readSeconds
    var clock = Stopwatch()
    segmenter.networkSeconds = 0
    let zooms = image.template.zooms
    let segmentation = try locating(item.image) {
      try segmenter.segment(
        GridImage(voxels: image.voxels, affine: Affine(rows: image.template.affine)),
        headerSpacing: Vector3D(zooms[2], zooms[1], zooms[0]))
    }
    timing.segment = clock.lap()
    timing.networks = segmenter.networkSeconds
    return Behind(segmentation: segmentation, image: image, timing: timing)
  }

  private func write(_ item: TaskCase, _ result: Behind) throws {
    var clock = Stopwatch()
    var template = result.image.template
    if template.sizes.count > 3 {
      // The header of a series of volumes says little about one of them.
      let shape = result.image.voxels.shape
      template = try NIfTITemplate(sizes: [shape.x, shape.y, shape.z], affine: template.affine)
    }
    let writer = SegmentationWriter(palette: weights.catalogue.palette, derivesMasks: output.derivesMasks)
    var outputs = try writer.write(
      result.segmentation, to: item.segmentation, template: template, image: result.image.voxels, steps: task.steps)
    if let path = item.statistics {
      try Path.makeFolder(Path.split(path).folder)
      try AtomicFile.write(Array(statistics(result).json.text(indent: 4).utf8), to: path)
      outputs.append(path)
    }
    var timing = result.timing
    timing.write = clock.lap()
    emit(.finished(identifier: item.identifier, outputs: outputs, timing: timing))
  }

  /// Fast variants are measured on the networks' grid, as far as the reference does.
  private func statistics(_ result: Behind) -> ClassStatistics {
    let segmentation = result.segmentation
    if let (labels, image) = segmentation.modelGrid {
      let names = Set(segmentation.classes.map(\.name))
      return ClassStatistics(
        of: labels, classes: task.classes.filter { names.contains($0.name) }, image: image.voxels,
        spacing: image.affine.voxelSizes, options: output.statistics)
    }
    let zooms = result.image.template.zooms
    return ClassStatistics(
      of: segmentation.labels, classes: segmentation.classes, image: result.image.voxels,
      spacing: Vector3D(zooms[2], zooms[1], zooms[0]), options: output.statistics)
  }

  /// Missing weights are complained about before any image is read.
  private func checkWeights() throws {
    let variant = try task.variant(fast: options.fast, fastest: options.fastest)
    let subset = Set(options.subset)
    for part in variant.parts {
      let ids = task.classes.filter { subset.contains($0.name) }.map(\.id)
      let isWanted =
        subset.isEmpty || variant.parts.count == 1
        || ids.contains { (part.labelOffset + 1...part.labelOffset + part.classCount).contains($0) }
      if isWanted { try check(part) }
    }
    if let crop = task.crop {
      try check(crop.model, robust: crop.isRobust || options.robustCrop)
    } else if !subset.isEmpty, let model = task.subsetCrop {
      try check(model, robust: options.robustCrop)
    } else if options.cropsToBody {
      try check(try weights.catalogue.roughModel("body"), robust: false)
    }
    for case .confineVertebrae(let name, _, _) in task.steps {
      for part in try weights.catalogue.task(named: name).standard.parts { try check(part) }
    }
  }

  /// A rough model and what finds the region that it looks at itself.
  private func check(_ model: RoughModel, robust: Bool) throws {
    let task = try weights.catalogue.task(named: model.task)
    if let crop = task.crop { try check(crop.model, robust: crop.isRobust) }
    for part in task.variant(robust ? model.robust : model.variant).parts { try check(part) }
  }

  private func check(_ part: TaskPart) throws {
    _ = try weights.modelFolder(for: part, smallModel: options.usesSmallModel && part.smallPlans != nil)
  }

  private func emit(_ event: TaskEvent) {
    reporting.wait()
    report(event)
    reporting.signal()
  }
}

extension TaskOptions {
  /// Refuses options that make no sense together or with a task. Throws `usage`.
  fileprivate func check(with task: SegmentationTask) throws {
    _ = try task.variant(fast: fast, fastest: fastest)
    _ = try CornerAlignedResampler(order: resamplingOrder)
    if !subset.isEmpty {
      guard task.subsetCrop != nil else {
        throw Failure(
          .usage, "the task \(task.name) cannot be restricted to some of its classes",
          hint: "--roi_subset works with tasks whose name begins with total")
      }
      let names = task.classes.map(\.name)
      if let stranger = subset.first(where: { !names.contains($0) }) {
        throw Failure(
          .usage, "the task \(task.name) has no class called \(stranger)",
          hint: Spelling.suggestion(for: stranger, in: names) ?? "microtome info classes \(task.name) lists them")
      }
    }
    if keepsModelGrid {
      guard fast || fastest else {
        throw Failure(.usage, "--save_lowres needs --fast or --fastest")
      }
      guard task.crop == nil, subset.isEmpty, !cropsToBody else {
        throw Failure(
          .usage, "--save_lowres cannot be combined with a crop: a subset of classes, --body_seg or this task")
      }
    }
    if usesSmallModel, !task.standard.parts.allSatisfy({ $0.smallPlans != nil }) {
      throw Failure(.usage, "the task \(task.name) has no small networks", hint: "leave --model_size small out")
    }
    if let smallBlobVolume, !(smallBlobVolume > 0) {
      throw Failure(.usage, "--remove_small_blobs takes a volume above 0 mm³")
    }
  }
}
