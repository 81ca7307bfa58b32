import Basics
import Engines

/// How a model is run; the defaults are those of `nnUNetv2_predict`.
public struct PredictionOptions: Sendable {
  /// The distance between tiles as a fraction of the patch, in (0, 1].
  public var step = 0.5
  /// Average over mirrored patches, where the model allows it.
  public var mirroring = true
  public var saveProbabilities = false
  /// Leave out cases whose output exists.
  public var continues = false
  /// The folder with the segmentations of the previous stage of a cascade.
  public var previousStageFolder: String?
  public var compile = CompileOptions()
  /// What `predict_from_raw_data_args.json` records.
  public var record = RunRecord()

  public init() {}

  /// Arguments of a run that change nothing here, but that nnU-Net writes down.
  public struct RunRecord: Sendable {
    public var partCount = 1
    public var part = 0
    public var preprocessingProcesses = 3
    public var exportProcesses = 3

    public init() {}
  }
}

/// What happens during a run, in order, for whoever watches.
public enum PredictionEvent: Sendable {
  /// A stage of a cascade, or all there is, begins; from now on `cases` cases are counted.
  case stage(configuration: String, cases: Int)
  /// The networks are ready.
  case ready(engine: String, precision: Precision, notes: [String])
  /// A case begins; `passes` forward passes are ahead.
  case began(identifier: String, passes: Int)
  case advanced(identifier: String, done: Int, passes: Int)
  case finished(identifier: String, output: String, timing: CaseTiming)
  case failed(identifier: String, failure: Failure)
  case skipped(identifier: String)
  case warning(String)
}

/// Where the seconds of a case went.
public struct CaseTiming: Sendable, Equatable {
  /// Reading and decoding.
  public var read = 0.0
  /// Cropping, normalising, resampling.
  public var prepare = 0.0
  /// From the first tile to the label map: networks, blending, resampling and labels.
  public var predict = 0.0
  /// Encoding and writing.
  public var write = 0.0

  public init() {}
}
