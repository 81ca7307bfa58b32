import Basics
import ImageFormats
import Imaging
import NNUNet

/// A mode whose models have been read and fit together.
public struct OpenedMode: Sendable {
  public let mode: Mode
  /// Those of the mode, and the subsegmentation's last if it was asked for.
  public let parts: [Part]
  /// Everything that can be written.
  public let labels: LabelTable
  let postprocessing: [ResolvedOperation]
  /// What is done after the subsegmentation has been laid over the rest.
  let lastSteps: [ResolvedOperation]
  let hasSubsegmentation: Bool

  /// A model and what becomes of its labels.
  public struct Part: Sendable {
    public let part: ModePart
    public let model: TrainedModel
    /// Labels that are written as another number than the network's.
    let numbers: [Int: Int]
    /// The labels of `part.place`.
    let openLabels: Set<Int>

    /// Whether this part's labels may lie over another one.
    func mayCover(_ label: Int) -> Bool {
      switch part.place {
      case .everywhere: true
      case .foreground: label != 0
      case .labels: openLabels.contains(label)
      }
    }
  }

  /// Reads and checks the models of a mode.
  ///
  /// - Parameter subsegmentation: the further network is wanted.
  /// - Throws: `usage` when the mode has no subsegmentation and one is wanted; `missingInput` for a model that is gone;
  ///   `badInput` for models that cannot be run here, labels that are not there, and readers that differ.
  public init(_ mode: Mode, subsegmentation: Bool) throws {
    self.mode = mode
    hasSubsegmentation = subsegmentation
    var found: [Part] = []
    var labels = LabelTable()
    for part in mode.parts { found.append(try Self.open(part, of: mode, after: found, &labels)) }
    try labels.rename(mode.labels.filter { entry in labels.entries.contains { $0.label == entry.label } })
    postprocessing = try labels.resolve(mode.postprocessing)
    var lastSteps: [ResolvedOperation] = []
    if subsegmentation {
      guard let further = mode.subsegmentation else {
        throw Failure(
          .usage, "the mode \(mode.name) has no subsegmentation",
          hint: "leave out --enable_subseg, or register a model for it with --subseg-model")
      }
      found.append(try Self.open(further.part, of: mode, after: found, &labels))
      try labels.rename(mode.labels)
      lastSteps = try labels.resolve(further.postprocessing)
    } else if mode.subsegmentation == nil {
      try labels.rename(mode.labels)
    }
    self.lastSteps = lastSteps
    self.labels = labels
    parts = found
  }

  /// The reader of images; all parts have the same.
  public var reader: ImageReader { parts[0].model.plans.reader }

  /// The number of image channels.
  public var channelCount: Int { parts[0].model.dataset.channelCount }

  private static func open(
    _ part: ModePart, of mode: Mode, after others: [Part], _ table: inout LabelTable
  ) throws -> Part {
    let model = try part.load()
    func wrong(_ what: String, hint: String? = nil) -> Failure {
      Failure(.badInput, what, file: part.model, hint: hint)
    }
    guard model.configuration.previousStage == nil else {
      throw wrong(
        "is the second stage of a cascade, which a mode cannot run", hint: "register 3d_fullres or 3d_lowres instead")
    }
    switch model.plans.reader {
    case .simpleITK, .nibabel: break
    case .simpleITKReoriented, .nibabelReoriented:
      guard mode.orientation == nil else {
        throw wrong(
          "turns images itself (\(model.plans.reader.rawValue)), and the mode turns them to \(mode.orientation ?? "")",
          hint: "register it with --orientation none")
      }
    case .naturalImage2D, .tiff3D:
      throw wrong("reads pictures (\(model.plans.reader.rawValue)); modes are for volumes in NIfTI files")
    }
    if let first = others.first {
      guard model.plans.reader == first.model.plans.reader,
        model.dataset.channelCount == first.model.dataset.channelCount
      else {
        throw wrong(
          "takes \(model.dataset.channelCount) channel(s) read by \(model.plans.reader.rawValue), but "
            + "\(first.part.model) takes \(first.model.dataset.channelCount) by \(first.model.plans.reader.rawValue)")
      }
    }
    var own = LabelTable()
    for entry in model.dataset.labels.written { own.add(entry.name, entry.label) }
    let offset = others.isEmpty || part.labelMap != nil ? 0 : table.entries.last?.label ?? 0
    var numbers: [Int: Int] = [:]
    if offset > 0 { for entry in own.entries { numbers[entry.label] = entry.label + offset } }
    for (reference, written) in part.labelMap ?? [] {
      numbers[try locating(part.model) { try own.number(reference, in: "\"label_map\"") }] = written
    }
    guard numbers.values.allSatisfy({ $0 <= 65535 }) else { throw wrong("has labels that would exceed 65535") }
    var openLabels: Set<Int> = []
    if case .labels(let references) = part.place {
      openLabels = Set(try references.map { try table.number($0, in: "\"within\"") })
    }
    for entry in own.entries { table.add(entry.name, numbers[entry.label] ?? entry.label) }
    return Part(part: part, model: model, numbers: numbers, openLabels: openLabels)
  }
}

extension ModePart {
  /// Reads the model. Throws `missingInput` or `badInput`.
  func load() throws -> TrainedModel {
    guard Path.exists(model) else {
      throw Failure(
        .missingInput, "does not exist", file: model,
        hint: "put the model back, or register the mode anew with microtome tasks add --force")
    }
    let loaded: TrainedModel =
      if ExportedModel.isModelFile(model) {
        try ExportedModel.load(model, description: description)
      } else {
        try TrainedModel.load(folder: model, folds: chosenFolds(), checkpoint: checkpointName)
      }
    return try locating(model) { try loaded.adjusted(by: adjustments) }
  }

  /// nnU-Net v1 has another checkpoint by default.
  private var checkpointName: String {
    checkpoint == Self.standardCheckpoint && LegacyModel.isLegacy(folder: model)
      ? LegacyModel.checkpointName : checkpoint
  }

  /// The folds asked for; else the numbered ones that there are, else the one of all training cases.
  private func chosenFolds() throws -> [String] {
    if let folds { return folds }
    let all =
      LegacyModel.isLegacy(folder: model)
      ? LegacyModel.availableFolds(folder: model, checkpoint: checkpointName)
      : TrainedModel.availableFolds(folder: model, checkpoint: checkpointName)
    let numbered = all.filter { Int($0) != nil }
    // Without any, loading says which files were looked for.
    return numbered.isEmpty ? (all.isEmpty ? ["0"] : all) : numbered
  }
}
