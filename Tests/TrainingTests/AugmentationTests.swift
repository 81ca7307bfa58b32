import Basics
import Imaging
import TestSupport
import Testing

@testable import Training

/// Transforms with fixed parameters, against what batchgeneratorsv2 makes of the same image.
@Suite(.enabled(if: ReferenceData.isPresent, ReferenceData.absence)) struct AugmentationTests {
  private let file: JSON
  private let shape = Shape3D(7, 9, 8)

  init() throws { file = try Vectors.read("augmentations.json") }

  private func cases(_ operation: String) throws -> [JSON] {
    try #require(file["cases"]?.array).filter { $0["op"]?.string == operation }
  }

  private var image: [Float] { file["base"]?.floats("image") ?? [] }
  private var labels: [Int16] { file["base"]?.labels("segmentation") ?? [] }

  @Test func turningAndScaling() throws {
    for vector in try cases("spatial") where vector["affine"]?.isNull == false {
      let sizes = try #require(vector["patch_size"]?.ints)
      let patch = Shape3D(sizes[0], sizes[1], sizes[2])
      let scale = vector["scale"]?.double ?? 1
      let transform = SpatialTransform(
        angles: vector["angles"]?.doubles ?? [0, 0, 0], scales: [scale, scale, scale])
      let box = Box3D(shape)
      let rows = transform.rows(from: shape, to: patch, box: box)
      var turned = [Float](repeating: 0, count: patch.count)
      SpatialTransform.apply(rows, image: image, shape, to: &turned, patch)
      #expect(distance(turned, vector.floats("image_out")) < 2e-6)
      var marks = [Int16](repeating: 0, count: patch.count)
      SpatialTransform.apply(rows, labels: labels, shape, nearest: false, to: &marks, patch)
      // Ties that the rounding of half precision makes depend on the order of additions.
      let different = zip(marks, vector.labels("segmentation_out")).count { $0 != $1 }
      #expect(different <= patch.count / 100, "\(different) of \(patch.count) labels differ")
    }
  }

  /// Only part of the source has to be read; the result is the same.
  @Test func supportIsEnough() throws {
    let transform = SpatialTransform(angles: [0.1, 0.2, -0.1], scales: [0.8, 0.8, 0.8])
    let patch = Shape3D(2, 3, 3)
    let box = transform.support(from: shape, to: patch)
    #expect(box.shape.count < shape.count)
    var part = [Float]()
    for z in box.lower.z..<box.upper.z {
      for y in box.lower.y..<box.upper.y {
        for x in box.lower.x..<box.upper.x { part.append(image[(z * shape.y + y) * shape.x + x]) }
      }
    }
    var (whole, small) = ([Float](repeating: 0, count: patch.count), [Float](repeating: 1, count: patch.count))
    SpatialTransform.apply(
      transform.rows(from: shape, to: patch, box: Box3D(shape)), image: image, shape, to: &whole, patch)
    SpatialTransform.apply(
      transform.rows(from: shape, to: patch, box: box), image: part, box.shape, to: &small, patch)
    #expect(distance(whole, small) < 1e-6)
  }

  @Test func blur() throws {
    for vector in try cases("gaussian_blur") {
      let kernels = try #require(vector["sigmas"]?.doubles).map(IntensityTransforms.blurKernel)
      for (kernel, expected) in zip(kernels, vector["kernels"]?.array ?? []) {
        #expect(distance(kernel, (expected.doubles ?? []).map(Float.init)) < 1e-7)
      }
      var (values, scratch) = (image, image)
      IntensityTransforms.blur(&values, shape, kernels: kernels, scratch: &scratch)
      #expect(distance(values, vector.floats("image_out")) < 2e-6)
    }
  }

  @Test func contrast() throws {
    for vector in try cases("contrast") {
      var values = image
      IntensityTransforms.contrast(&values, count: values.count, factor: Float(try #require(vector["factor"]?.double)))
      #expect(distance(values, vector.floats("image_out")) < 2e-6)
    }
  }

  @Test func gamma() throws {
    for vector in try cases("gamma") {
      var values = image
      IntensityTransforms.gamma(
        &values, count: values.count, gamma: Float(try #require(vector["gamma"]?.double)),
        inverted: vector["invert"]?.bool == true)
      // Logarithm and exponential in single precision.
      #expect(distance(values, vector.floats("image_out")) < 1e-5)
    }
  }

  @Test func lowResolution() throws {
    for vector in try cases("low_resolution") {
      let sizes = try #require(vector["low_shape"]?.ints)
      var values = image
      IntensityTransforms.lowResolution(&values, shape, lowShape: Shape3D(sizes[0], sizes[1], sizes[2]))
      #expect(distance(values, vector.floats("image_out")) < 2e-6)
    }
  }

  @Test func binaryOperators() throws {
    let operators: [(String, StructuringElement.Operator)] = [
      ("dilation", .dilation), ("erosion", .erosion), ("closing", .closing), ("opening", .opening),
    ]
    for (name, operation) in operators {
      for vector in try cases("binary_\(name)_torch") {
        let sizes = try #require(vector["input_shape"]?.ints)
        let mask = Volume<UInt8>(
          shape: Shape3D(sizes[0], sizes[1], sizes[2]), elements: vector.labels("input").map { UInt8($0) })
        let radius = try #require(vector["strel_radius"]?.double)
        let result = StructuringElement(radius: radius, isPlanar: false).apply(operation, to: mask)
        #expect(result.elements.map { Int16($0) } == vector.labels("output"), "\(name) \(radius)")
      }
    }
  }

  @Test func patchesThatAreCropped() throws {
    for vector in try #require(try Vectors.read("initial_patch_size.json").array) {
      let patch = try #require(vector["patch_size"]?.ints)
      let geometry = AugmentationGeometry(patch: patch, variant: try .named("nnUNetTrainer"))
      #expect(Array(geometry.initialPatch.axes.suffix(patch.count)) == vector["initial_patch_size"]?.ints)
      #expect(abs(geometry.rotation - (vector["rotation_for_DA"]?.doubles?[1] ?? 0)) < 1e-12)
      #expect(geometry.turnsInPlane == (vector["do_dummy_2d"]?.bool == true || patch.count == 2))
      #expect(geometry.inferenceMirrorAxes == vector["mirror_axes"]?.ints)
    }
  }

  @Test func oversampledPlacesOfABatch() throws {
    let flags = try #require(try Vectors.read("oversampling.json")["single_process_forced_foreground_flags"]?.object)
    for (key, value) in flags.members {
      let size = try #require(Int(key))
      let forced = (0..<size).map { ForegroundSampling.isForced($0, of: size, share: 0.33) }
      #expect(forced == value.array?.compactMap(\.bool))
    }
  }

  @Test func noiseHasItsDeviation() {
    var values = [Float](repeating: 0, count: 100_001)
    IntensityTransforms.noise(&values, count: values.count, deviation: 0.5, key: 7, first: 0)
    let moments = IntensityTransforms.Moments(values, count: values.count)
    #expect(abs(moments.mean) < 0.01)
    #expect(abs(moments.deviation - 0.5) < 0.01)
    #expect(moments.high > 1.5 && moments.high < 4)
  }
}
