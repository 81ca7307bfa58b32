import Basics
import ImageFormats
import Imaging

/// The way from an image's grid to the grid that a task's networks see, and the way back for labels.
///
/// The image is cropped on its own axes, turned to the closest RAS+ orientation, and resampled between corner-aligned
/// grids. Cropping and resampling each drop fractions of intensities.
struct TaskGrid: Sendable {
  /// What the networks see.
  let image: GridImage
  /// The image's own grid.
  private let sourceShape: Shape3D
  private let box: Box3D
  private let orientation: Orientation
  /// The cropped image turned to RAS+.
  private let canonicalShape: Shape3D

  /// - Parameters:
  ///   - crop: the part of the image that counts, in its own voxels; nil for all of it.
  ///   - spacing: of the networks' grid in mm, (Z, Y, X); nil leaves the image's own.
  ///   - order: the spline order the image is resampled with.
  /// - Throws: `badInput` for an affine without an orientation and for absurd spacings.
  init(_ source: borrowing GridImage, crop: Box3D?, spacing: Vector3D?, order: Int) throws {
    sourceShape = source.voxels.shape
    box = crop ?? Box3D(sourceShape)
    var voxels = try source.voxels.cropped(to: box)
    if crop != nil { voxels = voxels.truncated() }
    let cropped = source.affine.moved(to: box.lower)
    orientation = try Orientation(closestCanonical: cropped)
    let sizes = [voxels.shape.x, voxels.shape.y, voxels.shape.z]
    var affine = orientation.apply(to: cropped, sizes: sizes)
    voxels = orientation.apply(to: voxels)
    canonicalShape = voxels.shape
    let zooms = affine.voxelSizes
    if let spacing, zooms != spacing {
      let (shape, factors) = try Self.shape(of: canonicalShape, zooms: zooms, spacing: spacing)
      voxels = try CornerAlignedResampler(order: order).resample(voxels, to: shape, truncates: true)
      affine = affine.divided(by: factors)
    }
    image = GridImage(voxels: voxels, affine: affine)
  }

  private static func shape(
    of shape: Shape3D, zooms: Vector3D, spacing: Vector3D
  ) throws -> (shape: Shape3D, factors: Vector3D) {
    var target = shape
    var factors = spacing
    for axis in 0..<3 {
      factors[axis] = zooms[axis] / spacing[axis]
      let count = (Double(shape[axis]) * factors[axis]).rounded(.toNearestOrEven)
      guard count >= 1, count < 1_048_576 else {
        throw Failure(
          .badInput,
          "\(shape[axis]) voxels of \(zooms[axis]) mm cannot be resampled to the model's \(spacing[axis]) mm",
          hint: "check the voxel spacing in the file's header")
      }
      target[axis] = Int(count)
    }
    return (target, factors)
  }

  // MARK: The way back

  /// Labels of the networks' grid on the image's grid, nearest neighbour; 0 outside the crop.
  func restore(_ labels: Volume<UInt8>) throws -> Volume<UInt8> {
    try place(CornerAlignedResampler.pick(labels, to: canonicalShape))
  }

  /// The same with smoother outlines: each label's share is interpolated linearly, and the largest label that has at
  /// least half of a voxel gets it.
  func restoreSmoothly(_ labels: Volume<UInt8>) throws -> Volume<UInt8> {
    let one = Vector3D(1, 1, 1)
    let wide = Volume<Int16>(shape: labels.shape, elements: labels.elements.map(Int16.init))
    let resampled = try Resampler(order: .linear, forceSeparateZ: false)
      .resampleLabels(wide, to: canonicalShape, currentSpacing: one, newSpacing: one, rule: .half)
    return try place(
      Volume(shape: canonicalShape, elements: resampled.elements.map { UInt8(truncatingIfNeeded: $0) }))
  }

  /// Labels of the networks' grid on that grid, but in the image's orientation.
  func turnedBack(_ labels: Volume<UInt8>) -> (labels: Volume<UInt8>, affine: Affine) {
    let back = orientation.inverse
    let sizes = [labels.shape.x, labels.shape.y, labels.shape.z]
    return (back.apply(to: labels), back.apply(to: image.affine, sizes: sizes))
  }

  private func place(_ canonical: Volume<UInt8>) throws -> Volume<UInt8> {
    let turned = orientation.inverse.apply(to: canonical)
    guard box != Box3D(sourceShape) else { return turned }
    var whole = Volume<UInt8>(shape: sourceShape, repeating: 0)
    try whole.paste(turned, at: box.lower)
    return whole
  }

  /// The bounding box, on the image's grid, that the voxels with one of `wanted` labels have after `restore`; nil when
  /// there is none. Nothing is resampled: along each axis the nearest neighbours are in order.
  func boundingBox(of wanted: Set<UInt8>, in labels: Volume<UInt8>) -> Box3D? {
    let shape = labels.shape
    let picks = (0..<3).map { axis in
      CornerAlignedResampler.nearest(input: shape[axis], output: canonicalShape[axis]).map(Int.init)
    }
    // Where the image is coarser than the networks' grid, some of the latter's voxels are nobody's neighbours.
    let hits = (0..<3).map { axis in
      picks[axis].reduce(into: [Bool](repeating: false, count: shape[axis])) { $0[$1] = true }
    }
    var isWanted = [Bool](repeating: false, count: 256)
    for label in wanted { isWanted[Int(label)] = true }
    var lower = shape
    var upper = Shape3D(-1, -1, -1)
    labels.elements.withUnsafeBufferPointer { voxels in
      isWanted.withUnsafeBufferPointer { isWanted in
        for z in 0..<shape.z where hits[0][z] {
          for y in 0..<shape.y where hits[1][y] {
            let row = voxels.baseAddress.map { $0 + (z * shape.y + y) * shape.x }
            guard let row else { return }
            for x in 0..<shape.x where isWanted[Int(row[x])] && hits[2][x] {
              lower = Shape3D(min(lower.z, z), min(lower.y, y), min(lower.x, x))
              upper = Shape3D(max(upper.z, z), max(upper.y, y), max(upper.x, x))
            }
          }
        }
      }
    }
    guard upper.x >= 0 else { return nil }
    var canonical = Box3D(canonicalShape)
    for axis in 0..<3 {
      canonical.lower[axis] = picks[axis].firstIndex(of: lower[axis]) ?? 0
      canonical.upper[axis] = (picks[axis].lastIndex(of: upper[axis]) ?? canonicalShape[axis] - 1) + 1
    }
    var result = orientation.original(canonical, of: box.shape)
    for axis in 0..<3 {
      result.lower[axis] += box.lower[axis]
      result.upper[axis] += box.lower[axis]
    }
    return result
  }
}

extension Box3D {
  /// The box widened on every side by the whole voxels in `margin` mm, within an image of `shape`. Voxel sizes in mm.
  func widened(by margin: Double, voxelSizes: Vector3D, within shape: Shape3D) -> Box3D {
    var result = self
    for axis in 0..<3 {
      let voxels = Int(min(margin / voxelSizes[axis], Double(shape[axis])))
      result.lower[axis] = max(0, lower[axis] - voxels)
      result.upper[axis] = min(shape[axis], upper[axis] + voxels)
    }
    return result
  }
}
