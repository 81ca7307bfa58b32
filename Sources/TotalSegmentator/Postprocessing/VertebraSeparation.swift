import Basics
import Imaging

/// What follows the network that finds vertebral bodies one by one.
///
/// It was trained on bodies shrunk by 3 mm so that they do not touch. Where labels do touch in its output they are mixed up:
/// the bodies are then told apart by being connected, and counted along the spine. At the end they grow back.
public struct VertebraSeparation: Sendable {
  /// Of the uppermost vertebra, C1. Labels ascend along the spine.
  public var firstLabel: UInt8 = 1
  /// Of the lowermost vertebra, L5.
  public var lastLabel: UInt8 = 24
  /// In mm³. Smaller connected parts are no vertebrae.
  public var smallestVolume = 100.0
  /// In mm.
  public var growth = 3.0

  public init() {}

  /// The vertebrae, C1 to L5.
  private var vertebrae: LabelSet { LabelSet(firstLabel...lastLabel) }

  /// Tells the vertebrae of a single-channel label map apart and grows them. Its slices run from feet to head; `spacing` is
  /// (Z, Y, X) in mm.
  ///
  /// If no two labels touch they only grow. Otherwise every connected part (by faces, of whatever labels) of at least
  /// `smallestVolume` becomes one vertebra. Counting starts at the top with C1 where C1 is in the image and L5 is not, else at
  /// the bottom with the lowest vertebra the network saw. Parts are in the order of their centres along Z, equal ones in the
  /// order of their first voxels with X slowest; parts for which no label is left become background.
  ///
  /// Throws `badInput` when a voxel size is not positive.
  public func separate(_ map: inout Volume<UInt8>, spacing: Vector3D) throws {
    if map.hasTouchingLabels { map = renumbered(map, spacing) }
    try map.dilateLabels(vertebrae, radius: growth, spacing: spacing)
  }

  /// Grows separated vertebrae by `growth` mm and keeps what lies in the mask of vertebral `bodies` (1 = body).
  ///
  /// Throws `badInput` when the two differ in shape or a voxel size is not positive.
  public func refine(
    _ map: inout Volume<UInt8>, bodies: Volume<UInt8>, spacing: Vector3D, growth: Double = 2
  ) throws {
    guard bodies.shape == map.shape else {
      throw Failure(
        .badInput, "the vertebrae have \(map.shape) voxels and the mask of their bodies \(bodies.shape)",
        hint: "both must be on the grid of the image")
    }
    try map.dilateLabels(vertebrae, radius: growth, spacing: spacing)
    BitMask(bodies, labels: [1]).clearOutside(of: &map)
  }

  private func renumbered(_ map: Volume<UInt8>, _ spacing: Vector3D) -> Volume<UInt8> {
    let parts = MeasuredComponents(of: map, order: .xSlowest)
    let voxelVolume = Double(VoxelVolume.cubicMillimetres(spacing: spacing))
    var vertebrae = parts.components.indices.filter {
      Double(parts.components[$0].size) * voxelVolume >= smallestVolume
    }
    let labels = parts.labels(in: map)
    var seen: LabelSet = []
    for part in vertebrae { seen.formUnion(labels[part]) }
    let known = (firstLabel...lastLabel).filter(seen.contains)
    guard let lowest = known.last else { return Volume(shape: map.shape, repeating: 0) }
    let countsFromTop = known.first == firstLabel && lowest != lastLabel
    let sign = countsFromTop ? -1.0 : 1.0
    func height(_ part: Int) -> Double { sign * parts.components[part].centroid.z }
    vertebrae.sort { (height($0), $0) < (height($1), $1) }
    let numbers = countsFromTop ? Array(firstLabel...lastLabel) : (firstLabel...lowest).reversed()
    var assigned = [UInt8](repeating: 0, count: parts.components.count)
    for (part, number) in zip(vertebrae, numbers) { assigned[part] = number }
    return parts.painted(assigned)
  }
}
