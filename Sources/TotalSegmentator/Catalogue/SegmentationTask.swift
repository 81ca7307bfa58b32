import Imaging

/// What TotalSegmentator calls a task: a set of classes, the networks that find them, and what happens around the networks.
///
/// Tasks are data: they are read from a catalogue (see `TaskCatalogue`), and a user can add their own.
public struct SegmentationTask: Sendable, Equatable {
  public enum Modality: String, Sendable, CaseIterable {
    case ct = "CT"
    case mr = "MR"
  }

  /// What the flag for the fast variant does.
  public enum FastFlag: String, Sendable, CaseIterable {
    /// It selects the fast variant.
    case selects
    /// It is an error.
    case refused
    /// Nothing.
    case ignored
  }

  public var name: String
  public var modality: Modality
  /// Whether its weights are given out to holders of a licence only.
  public var needsLicense: Bool
  /// In ascending order of their ids.
  public var classes: [TaskClass]
  public var standard: TaskVariant
  public var fast: TaskVariant?
  public var fastest: TaskVariant?
  public var fastFlag: FastFlag
  /// Where in the image the networks look; nil for everywhere.
  public var crop: TaskCrop?
  /// The rough segmentation that a subset of classes is cropped with; nil when the task takes no subset.
  public var subsetCrop: RoughModel?
  /// In the order in which they are done.
  public var steps: [TaskStep]
  /// The order of ids that an earlier release used for these classes: the name of a class list of the catalogue.
  public var legacyOrder: String?
  /// A sentence for the user when the task starts.
  public var notice: String?
}

/// One class of a task.
public struct TaskClass: Sendable, Equatable {
  /// The label in a segmentation of all classes.
  public var id: Int
  public var name: String
}

/// The networks of a task at one resolution.
public struct TaskVariant: Sendable, Equatable {
  /// In the order in which their results are merged: later ones lie over earlier ones.
  public var parts: [TaskPart]
  /// The voxel spacing (Z, Y, X) in mm to which the image is brought first; nil leaves that to the networks' own
  /// preprocessing.
  public var spacing: Vector3D?
  /// The distance between patches as a fraction of the patch.
  public var step: Double
}

/// One network of a task and its share of the classes.
public struct TaskPart: Sendable, Equatable {
  /// The number of its dataset, by which the catalogue knows where its weights are.
  public var dataset: Int
  public var trainer: String
  public var plans: String
  /// The plans of a smaller network of the same part, where there is one.
  public var smallPlans: String?
  public var configuration: String
  /// nil for every fold there is.
  public var folds: [Int]?
  /// How many classes it finds: labels 1...count of its own.
  public var classCount: Int
  /// What is added to its own labels to get the task's ids.
  public var labelOffset: Int
}

/// A segmentation made first to see where in the image something is: a variant of some task.
public struct RoughModel: Sendable, Equatable {
  public enum Choice: String, Sendable, CaseIterable {
    case standard = "default"
    case fast
    case fastest
  }

  public var task: String
  public var variant: Choice
  /// What is used instead when the user asks for a robust crop; the same when there is nothing better.
  public var robust: Choice
}

/// The region that a task is confined to.
public struct TaskCrop: Sendable, Equatable {
  /// Classes of the rough model's task; the region is the box around their union.
  public var rois: [String]
  public var model: RoughModel
  /// Whether the robust choice is always taken.
  public var isRobust: Bool
  /// How far in mm the box is widened on every side.
  public var margin: Double
}

/// Something done to labels after the networks.
public enum TaskStep: Sendable, Equatable {
  /// Helper classes that are not part of the result. Model grid.
  case removeLabels([Int])
  /// Keeps the largest component (faces) of a class. Model grid.
  case keepLargestComponent(label: Int)
  /// Drops components (faces) of a class of at most so many mm³. Model grid.
  case removeSmallComponents(label: Int, volume: Double)
  /// Gives every vertebra one label and dilates it. Volumes in mm³, distances in mm. Model grid.
  case separateVertebrae(minimumVolume: Double, dilation: Double)
  /// Confines vertebrae, dilated by some mm, to a label of another task. Image grid.
  case confineVertebrae(task: String, label: Int, dilation: Double)
  /// Removes what lies outside the dilated union of classes of the crop's rough model. Distance in mm. Image grid.
  case removeOutside(rois: [String], dilation: Double)
  /// Makes the masks `body` and `skin` when each class is written to a file of its own.
  case deriveBodyAndSkin
}
