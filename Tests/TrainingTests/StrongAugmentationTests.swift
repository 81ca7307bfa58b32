import Basics
import Foundation
import Imaging
import TestSupport
import Testing

@testable import Training

/// The transforms of nnU-Net's DA5 with fixed parameters, against what batchgeneratorsv2 made of the same images
/// (Resources/make_augmentations.py).
@Suite struct StrongAugmentationTests {
  private let cases: [JSON]

  init() throws {
    let url = try #require(Bundle.module.url(forResource: "Resources/augmentations", withExtension: "json"))
    cases = try #require(JSON.read(url.path).array)
  }

  /// Calls `body` with each case of an operation, its shape, whether it is two-dimensional, and its image; what `body`
  /// makes of the image is compared with what is expected.
  private func check(
    _ operation: String, tolerance: Float, _ body: (JSON, Shape3D, Bool, inout [Float]) throws -> Void
  ) throws {
    let chosen = cases.filter { $0["operation"]?.string == operation }
    #expect(!chosen.isEmpty)
    for json in chosen {
      let sizes = try #require(json["shape"]?.ints)
      let shape = Shape3D(sizes.count == 2 ? 1 : sizes[0], sizes[sizes.count - 2], sizes[sizes.count - 1])
      var values = image(shape)
      try body(json, shape, sizes.count == 2, &values)
      let difference = distance(values, json.floats("result"))
      #expect(difference <= tolerance, "\(operation) \(json["shape"]?.text() ?? ""): \(difference)")
    }
  }

  private func image(_ shape: Shape3D) -> [Float] {
    (0..<shape.count).map { Float(sine(1.3 * Double($0) + 0.1 * Double($0) * Double($0))) }
  }

  @Test func medians() throws {
    try check("median", tolerance: 1e-6) { json, shape, isPlanar, values in
      var scratch = values
      IntensityTransforms.median(
        &values, shape, size: try #require(json["size"]?.int), isPlanar: isPlanar, scratch: &scratch)
    }
  }

  /// More tiles than one, and boxes of every size, against sorting.
  @Test func mediansOfManyTiles() {
    let shape = Shape3D(11, 19, 70)
    var stream = RandomStream(seed: 1, purpose: .parameters, index: 0)
    let values = (0..<shape.count).map { _ in Float(stream.integer(-40, 40)) / 8 }
    for size in 1...7 {
      var (result, scratch) = (values, values)
      IntensityTransforms.median(&result, shape, size: size, isPlanar: false, scratch: &scratch)
      for _ in 0..<40 {
        let place = [stream.integer(0, 10), stream.integer(0, 18), stream.integer(0, 69)]
        var box: [Float] = []
        func reflected(_ index: Int, _ n: Int) -> Int {
          index < 0 ? -1 - index : index >= n ? 2 * n - 1 - index : index
        }
        for dz in 0..<size {
          for dy in 0..<size {
            for dx in 0..<size {
              box.append(
                values[
                  (reflected(place[0] + dz - size / 2, 11) * 19 + reflected(place[1] + dy - size / 2, 19)) * 70
                    + reflected(place[2] + dx - size / 2, 70)])
            }
          }
        }
        #expect(result[(place[0] * 19 + place[1]) * 70 + place[2]] == box.sorted()[box.count / 2], "\(size) \(place)")
      }
    }
  }

  @Test func sharpening() throws {
    try check("sharpen", tolerance: 3e-6) { json, shape, isPlanar, values in
      var scratch = values
      IntensityTransforms.sharpen(
        &values, shape, strength: Float(try #require(json["strength"]?.double)), isPlanar: isPlanar, scratch: &scratch)
    }
  }

  @Test func bumps() throws {
    try check("bump", tolerance: 1e-5) { json, shape, _, values in
      let bump = Bump(
        shape, centres: try #require(json["centres"]?.doubles), widths: try #require(json["widths"]?.doubles))
      if let strength = json["strength"]?.double { bump.brighten(&values, strength: Float(strength)) }
      if let gamma = json["gamma"]?.double { bump.applyGamma(&values, gamma: Float(gamma)) }
    }
  }

  @Test func boxesContrastAndBlur() throws {
    try check("blank", tolerance: 1e-6) { json, shape, _, values in
      let (lower, upper) = (try #require(json["lower"]?.ints), try #require(json["upper"]?.ints))
      IntensityTransforms.blank(
        &values, shape,
        box: Box3D(lower: Shape3D(lower[0], lower[1], lower[2]), upper: Shape3D(upper[0], upper[1], upper[2])))
    }
    try check("contrast", tolerance: 2e-6) { json, shape, _, values in
      IntensityTransforms.contrast(
        &values, count: shape.count, factor: Float(try #require(json["factor"]?.double)), keepsRange: false)
    }
    try check("blur", tolerance: 2e-6) { json, shape, _, values in
      var scratch = values
      let kernel = IntensityTransforms.blurKernel(sigma: try #require(json["sigma"]?.double))
      IntensityTransforms.blur(&values, shape, kernels: [kernel, kernel, kernel], scratch: &scratch)
    }
  }

  @Test func turnsAndTranspositions() throws {
    try check("turn", tolerance: 0) { json, shape, _, values in
      let (axes, order) = (try #require(json["axes"]?.ints), try #require(json["order"]?.ints))
      var permutation = AxisPermutation()
      permutation.turn(axes[0], axes[1], quarters: try #require(json["quarters"]?.int))
      permutation.transpose(order)
      let source = values
      permutation.apply(source, to: &values, shape)
      // The golden numbers have seven digits.
      let expected = json.floats("result")
      values = zip(values, expected).map { abs($0 - $1) < 1e-6 ? $1 : $0 }
    }
  }

  /// Every exchange of equal axes of patches that are larger than a block.
  @Test func permutationsOfLargerPatches() {
    let shape = Shape3D(20, 37, 37)
    let source = (0..<shape.count).map { Float($0) }
    for quarters in 0..<4 {
      var permutation = AxisPermutation()
      permutation.turn(1, 2, quarters: quarters)
      var result = source
      permutation.apply(source, to: &result, shape)
      for voxel in stride(from: 0, to: shape.count, by: 101) {
        let (z, y, x) = (voxel / 37 / 37, voxel / 37 % 37, voxel % 37)
        let (sy, sx) = [(y, x), (x, 36 - y), (36 - y, 36 - x), (36 - x, y)][quarters]
        #expect(result[voxel] == source[(z * 37 + sy) * 37 + sx])
      }
      // Labels go the same way.
      var marks = source.map { Int16(truncatingIfNeeded: Int($0)) }
      permutation.apply(marks.map { $0 }, to: &marks, shape)
      #expect(marks == result.map { Int16(truncatingIfNeeded: Int($0)) })
    }
  }

  @Test func scalingEachAxis() throws {
    for json in cases where json["operation"]?.string == "spatial" {
      let (sizes, result) = (try #require(json["shape"]?.ints), try #require(json["patch"]?.ints))
      let (shape, patch) = (Shape3D(sizes[0], sizes[1], sizes[2]), Shape3D(result[0], result[1], result[2]))
      let transform = SpatialTransform(
        angles: try #require(json["angles"]?.doubles), scales: try #require(json["scales"]?.doubles))
      let rows = transform.rows(from: shape, to: patch, box: Box3D(shape))
      let isNearest = json["nearest"]?.bool == true
      var turned = [Float](repeating: 0, count: patch.count)
      SpatialTransform.apply(rows, image: image(shape), shape, nearest: isNearest, to: &turned, patch)
      #expect(distance(turned, json.floats("result")) < 1e-5)
      let labels = image(shape).map { Int16(2.999 * abs($0)) }
      var marks = [Int16](repeating: 0, count: patch.count)
      SpatialTransform.apply(rows, labels: labels, shape, nearest: isNearest, to: &marks, patch)
      let different = zip(marks, json.labels("labels")).count { $0 != $1 }
      #expect(different <= patch.count / 100, "\(different) of \(patch.count) labels differ")
    }
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func patchesThatAreCropped() throws {
    for vector in try #require(try Vectors.read("initial_patch_size.json").array) {
      let patch = try #require(vector["patch_size"]?.ints)
      let geometry = AugmentationGeometry(patch: patch, variant: try .named("nnUNetTrainerDA5"))
      #expect(Array(geometry.initialPatch.axes.suffix(patch.count)) == vector["initial_patch_size_DA5"]?.ints)
    }
  }

  /// Whatever is drawn, patches of any kind come out finite, and only axes of equal length are exchanged.
  @Test(arguments: [[8, 16, 16], [16, 12], [4, 24, 20], [12, 12, 12]])
  func everyDrawGivesAPatch(patch: [Int]) throws {
    let geometry = AugmentationGeometry(patch: patch, variant: try .named("nnUNetTrainerDA5"))
    let strong = StrongAugmentation(geometry: geometry, channels: 2)
    let count = geometry.patch.count
    var (changed, permuted) = (0, 0)
    for index in 0..<60 {
      var stream = RandomStream(seed: 5, purpose: .trainingSample, index: index)
      let permutation = geometry.drawPermutation(&stream)
      if !permutation.isIdentity { permuted += 1 }
      for axis in 0..<3 { #expect(geometry.patch[axis] == geometry.patch[permutation.axes[axis]]) }
      let before = image(Shape3D(1, 2, count))
      var (values, scratch) = (before, [Float](repeating: 0, count: count))
      strong.apply(&values, scratch: &scratch, &stream)
      #expect(values.allSatisfy { $0.isFinite })
      if values != before { changed += 1 }
    }
    #expect(changed > 30)
    #expect((permuted > 0) == (patch != [16, 12] && patch != [4, 24, 20]))
  }
}
