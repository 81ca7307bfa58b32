import Basics
import Engines

/// How a task is run; the defaults are TotalSegmentator's.
public struct TaskOptions: Sendable {
  /// How an image and its segmentation get to the networks' grid and back.
  public enum Resampling: String, Sendable, CaseIterable {
    /// The image by splines of `resamplingOrder`, the labels to the nearest voxel.
    case standard
    /// As the networks' own preprocessing does it: cubic there, linear logits back. Smooth outlines, more time.
    case byNetwork
    /// The labels' shares linearly, as releases before 2.7 offered it.
    case smoothLabels
  }

  public var task = "total"
  /// The variant for 3 mm, or what the task has instead.
  public var fast = false
  /// The variant for 6 mm, or what the task has instead.
  public var fastest = false
  /// The smaller of two networks, where the task has two.
  public var usesSmallModel = false
  /// Names of the only classes wanted; empty for all.
  public var subset: [String] = []
  /// Look for the region with the finer of the rough models.
  public var robustCrop = false
  /// First confine the image to the body.
  public var cropsToBody = false
  /// Predict in three overlapping pieces along Z.
  public var forcesSplit = false
  public var resampling = Resampling.standard
  /// The spline order of the image's resampling, 0...5.
  public var resamplingOrder = 1
  /// Components of any class of at most so many mm³ are dropped; nil keeps them all.
  public var smallBlobVolume: Double?
  /// Leave the segmentation on the networks' grid.
  public var keepsModelGrid = false
  /// Number the classes as an earlier release did.
  public var usesLegacyOrder = false
  /// Where to write the networks' probabilities, `.npz` and `.pkl`; nil for nowhere.
  public var probabilitiesPath: String?
  public var compile = CompileOptions()

  public init() {}

  /// `probabilities.npz` and `probabilities` both name the files `probabilities.npz` and `probabilities.pkl`.
  var probabilitiesStem: String? {
    probabilitiesPath.map { $0.hasSuffix(".npz") || $0.hasSuffix(".pkl") ? String($0.dropLast(4)) : $0 }
  }
}

/// What happens while a task runs, for whoever watches.
public enum TaskEvent: Sendable {
  /// A network has been compiled.
  case ready(engine: String, precision: Precision, notes: [String])
  /// A case begins.
  case began(identifier: String)
  /// Forward passes of one network: what it is looking for, passes done and to do.
  case advanced(stage: String, done: Int, total: Int)
  case note(String)
  case warning(String)
  case finished(identifier: String, outputs: [String], timing: TaskTiming)
  case failed(identifier: String, failure: Failure)
}

/// Where the seconds of a case went.
public struct TaskTiming: Sendable, Equatable {
  /// Reading and decoding.
  public var read = 0.0
  /// Everything between: rough pass, resampling, networks, post-processing.
  public var segment = 0.0
  /// Of these, inside the networks' sliding windows.
  public var networks = 0.0
  /// Statistics, encoding and writing.
  public var write = 0.0
}
