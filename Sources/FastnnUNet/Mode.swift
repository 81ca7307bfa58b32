import Basics
import NNUNet

/// One mode of FastnnUNet's command as data: which networks are run on an image, how it is prepared for them, and what is
/// done to their labels.
public struct Mode: Sendable, Equatable {
  public var name: String
  /// A sentence for lists.
  public var summary: String?
  /// The sides that the index axes of an image are made to run towards before anything else ("LPS"); labels are turned
  /// back. nil leaves images as their files hold them.
  public var orientation: String?
  /// At least one. The labels of each lie over those of the ones before.
  public var parts: [ModePart]
  /// Names for labels, in place of the models' own.
  public var labels: [LabelName]
  /// What is done to the labels of all parts, in this order.
  public var postprocessing: [LabelOperation]
  public var subsegmentation: Subsegmentation?

  public init(name: String, parts: [ModePart]) {
    self.name = name
    self.parts = parts
    orientation = Self.standardOrientation
    labels = []
    postprocessing = []
  }

  /// FastnnUNet's.
  public static let standardOrientation = "LPS"

  /// A label and its name.
  public struct LabelName: Sendable, Equatable {
    public var name: String
    public var label: Int

    public init(name: String, label: Int) {
      self.name = name
      self.label = label
    }
  }

  /// A further network for the inside of what was found (cortical bone), run only when it is asked for.
  public struct Subsegmentation: Sendable, Equatable {
    public var part: ModePart
    /// What is done to the labels after the further network's have been laid over them.
    public var postprocessing: [LabelOperation]

    public init(part: ModePart, postprocessing: [LabelOperation] = []) {
      self.part = part
      self.postprocessing = postprocessing
    }
  }
}

/// One model of a mode, and how its labels get into the result.
public struct ModePart: Sendable, Equatable {
  /// A model folder or a file with a network; relative to the folder of the mode's file unless absolute.
  public var model: String
  /// The document that describes such a file; nil for the one inside or beside it.
  public var description: String?
  /// nil for all that the model has.
  public var folds: [String]?
  public var checkpoint: String
  /// The model's labels, by name or number, and what they are written as; 0 leaves one out. Labels that are not mentioned
  /// keep their number. nil: the first part's keep their numbers, those of further ones are numbered behind it.
  public var labelMap: [(label: LabelReference, written: Int)]?
  /// Where labels of this part may lie over others.
  public var place: Place
  public var adjustments = ModelAdjustments()
  /// The distance between patches as a fraction of the patch; nil for what the model says, or 0.5.
  public var step: Double?
  /// Average over mirrored patches, where the model allows it; nil for yes.
  public var mirrors: Bool?

  /// Where the labels of a part count.
  public enum Place: Sendable, Equatable {
    case everywhere
    /// Where something has been found already.
    case foreground
    /// Where one of these labels has been found.
    case labels([LabelReference])
  }

  public init(model: String, place: Place = .everywhere) {
    self.model = model
    self.place = place
    checkpoint = Self.standardCheckpoint
  }

  static let standardCheckpoint = "checkpoint_final.pth"

  public static func == (left: ModePart, right: ModePart) -> Bool {
    left.model == right.model && left.description == right.description && left.folds == right.folds
      && left.checkpoint == right.checkpoint && left.place == right.place && left.adjustments == right.adjustments
      && left.step == right.step && left.mirrors == right.mirrors
      && left.labelMap?.map(\.label) == right.labelMap?.map(\.label)
      && left.labelMap?.map(\.written) == right.labelMap?.map(\.written)
  }
}

/// A label as a user writes it.
public enum LabelReference: Sendable, Hashable {
  case name(String)
  case number(Int)
}
