import Imaging

/// One step of cleaning up a segmentation.
public enum LabelOperation: Sendable, Equatable {
  /// What a component is and what becomes of the ones that go.
  public struct Components: Sendable, Equatable {
    public var connectivity = Connectivity.corners
    /// All labels together are one foreground, rather than each by itself.
    public var together = false
    /// The label that replaces what goes.
    public var replacement = LabelReference.number(0)

    public init() {}
  }

  /// A length, in voxels or in mm.
  public enum Radius: Sendable, Equatable {
    case voxels(Double)
    case millimetres(Double)
  }

  /// The size below which a component goes.
  public enum Size: Sendable, Equatable {
    case voxels(Int)
    case cubicMillimetres(Double)
  }

  /// Only the largest component stays; of equally large ones the one whose first voxel comes first.
  case keepLargest(Labels, Components)
  /// Components smaller than a size go.
  case removeSmall(Labels, Size, Components)
  /// What no ball within a label covers goes.
  case opening(Labels, Radius)
  /// Background that no ball outside of a label covers becomes part of it.
  case closing(Labels, Radius)
  /// Background that a label cuts off from the outside becomes part of it; slice by slice (Y, X) if asked for.
  case fillHoles(Labels, perSlice: Bool)
  /// Labels become another one.
  case reassign(Labels, to: LabelReference)

  /// Which labels a step is about; each by itself, smallest number first.
  public enum Labels: Sendable, Equatable {
    case all
    case some([LabelReference])
  }

  /// The names of the steps in files.
  public static let names = ["keep_largest", "remove_small", "opening", "closing", "fill_holes", "reassign"]
}
