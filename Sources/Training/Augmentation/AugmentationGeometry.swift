import Imaging

/// How far patches are turned, and how much is cropped so that turned patches are filled.
public struct AugmentationGeometry: Sendable, Equatable {
  /// What the network sees, (Z, Y, X); Z is 1 for a two-dimensional network.
  public let patch: Shape3D
  /// Whether the network is two-dimensional.
  public let isPlanar: Bool
  /// Turning and scaling only within planes, because the patch is flat (or two-dimensional).
  public let turnsInPlane: Bool
  /// The largest angle, in radians.
  public let rotation: Double
  /// Array axes 0 (Z), 1 (Y), 2 (X) that are mirrored.
  public let mirrorAxes: [Int]
  /// What is cropped from the image, (Z, Y, X).
  public let initialPatch: Shape3D
  /// What is done to patches; with `.none`, everything is cropped as the network sees it.
  public let augmentation: TrainerVariant.Augmentation

  /// - Parameter patch: (Z, Y, X) or (Y, X).
  public init(patch: [Int], variant: TrainerVariant) {
    isPlanar = patch.count == 2
    let shape = isPlanar ? Shape3D(1, patch[0], patch[1]) : Shape3D(patch[0], patch[1], patch[2])
    self.patch = shape
    augmentation = variant.augmentation
    let (smallest, largest) = (patch.min() ?? 1, patch.max() ?? 1)
    let isFlat = !isPlanar && variant.allowsPlanarAugmentation && Double(largest) / Double(patch[0]) > 3
    turnsInPlane = isPlanar || isFlat
    let degrees: Double
    if isPlanar {
      degrees = Double(largest) / Double(smallest) > 1.5 ? 15 : 180
    } else {
      degrees = isFlat ? 180 : 30
    }
    rotation = degrees / 360 * 2 * Double.pi
    let axes = isPlanar ? [1, 2] : [0, 1, 2]
    switch variant.mirroring {
    case .none: mirrorAxes = []
    case .all: mirrorAxes = axes
    case .firstTwo: mirrorAxes = isPlanar ? [1] : [0, 1]
    }
    guard variant.augments else {
      initialPatch = shape
      return
    }
    // By how much objects may grow: patches of so much less must fill the network's.
    let least = augmentation == .strong ? 0.7 : 0.85
    var initial = Self.enlarged(shape, rotation: rotation, isPlanar: isPlanar, least: least)
    if isFlat { initial.z = shape.z }
    initialPatch = initial
  }

  /// The axes as nnU-Net counts them, among those of the patch; nil for none.
  public var inferenceMirrorAxes: [Int]? {
    mirrorAxes.isEmpty ? nil : mirrorAxes.map { isPlanar ? $0 - 1 : $0 }
  }

  /// A box that holds the patch turned about each axis by the largest angle, divided by `least`.
  private static func enlarged(_ patch: Shape3D, rotation: Double, isPlanar: Bool, least: Double) -> Shape3D {
    let angle = min(Double.pi / 2, abs(rotation))
    let (c, s) = (cosine(angle), sine(angle))
    let (x, y, z) = (Double(patch.z), Double(patch.y), Double(patch.x))
    var corners = [[x, y, z], [x, y * c + z * s, -y * s + z * c]]
    if !isPlanar { corners += [[x * c - z * s, y, x * s + z * c], [x * c + y * s, -x * s + y * c, z]] }
    let sizes = (0..<3).map { axis in Int(corners.map { abs($0[axis]) }.reduce(0, max) / least) }
    return Shape3D(isPlanar ? 1 : sizes[0], sizes[1], sizes[2])
  }
}
