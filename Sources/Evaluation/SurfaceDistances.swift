import Basics
import Imaging

/// How far apart the surfaces of two segmentations of a region are.
///
/// The surface of a mask are its voxels of which at least one of the six face neighbours is outside of the mask or of the
/// image. Distances are between voxel centres, in mm.
public struct SurfaceDistances: Sendable, Equatable {
  /// The distance from each surface voxel of the prediction to the nearest one of the reference, ascending.
  public let fromPrediction: [Double]
  /// The distance from each surface voxel of the reference to the nearest one of the prediction, ascending.
  public let fromReference: [Double]
  /// No distances can be measured, because the region is in one segmentation only.
  private let isEmptyInOne: Bool

  /// Measures the distances for the union of some labels.
  ///
  /// - Parameters:
  ///   - ignore: voxels with this label in the reference belong to neither mask.
  ///   - spacing: of the voxels in mm, (Z, Y, X).
  /// - Throws: `badInput` when the shapes differ.
  public init(
    prediction: LabelMap, reference: LabelMap, region: Set<Int>, ignoring ignore: Int? = nil, spacing: Vector3D
  ) throws {
    guard prediction.shape == reference.shape else {
      throw Failure(
        .badInput, "the prediction has \(prediction.shape) voxels, the reference \(reference.shape)",
        hint: "compare segmentations of the same image")
    }
    var predicted = prediction.mask(of: region)
    let expected = reference.mask(of: region)
    if let ignore, !region.contains(ignore) {
      let ignored = reference.mask(of: [ignore])
      for index in ignored.elements.indices where ignored.elements[index] != 0 { predicted.elements[index] = 0 }
    }
    // Beyond the box around both surfaces no distance is asked for.
    guard let box = predicted.box(with: expected) else {
      (fromPrediction, fromReference, isEmptyInOne) = ([], [], false)
      return
    }
    let first = try predicted.surface(cropped: box)
    let second = try expected.surface(cropped: box)
    fromPrediction = Self.distances(from: first, to: second, spacing: spacing)
    fromReference = Self.distances(from: second, to: first, spacing: spacing)
    isEmptyInOne = fromPrediction.isEmpty
  }

  private static func distances(from: Volume<UInt8>, to: Volume<UInt8>, spacing: Vector3D) -> [Double] {
    guard to.elements.contains(where: { $0 != 0 }) else { return [] }
    let squares = DistanceTransform.squaredDistances(to: to, spacing: spacing)
    return zip(from.elements, squares.elements).filter { $0.0 != 0 }.map { $0.1.squareRoot() }.sorted()
  }

  /// The 95th percentile, with linear interpolation, of the distances of both directions together: the symmetric robust
  /// Hausdorff distance in mm. NaN when the region is empty in either segmentation.
  public var hausdorff95: Double {
    guard !fromPrediction.isEmpty, !fromReference.isEmpty else { return .nan }
    let all = (fromPrediction + fromReference).sorted()
    let position = Double(all.count - 1) * 0.95
    let lower = Int(position)
    let upper = min(lower + 1, all.count - 1)
    return all[lower] + (all[upper] - all[lower]) * (position - Double(lower))
  }

  /// The normalised surface Dice: the share of the voxels of both surfaces that lie within `tolerance` mm of the other
  /// one. 0 when the region is empty in one segmentation only, NaN when it is empty in both (Nikolov et al. 2018, with
  /// every surface voxel counting alike).
  public func surfaceDice(tolerance: Double) -> Double {
    let total = fromPrediction.count + fromReference.count
    guard total > 0 else { return isEmptyInOne ? 0 : .nan }
    let near = fromPrediction.count { $0 <= tolerance } + fromReference.count { $0 <= tolerance }
    return Double(near) / Double(total)
  }

}
