import Foundation
import Imaging
import Testing

@testable import Training

/// What each transform costs a sample, for Benchmarks/augmentation.py: run with MICROTOME_TIMINGS set.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["MICROTOME_TIMINGS"] != nil, "asserts nothing"), .serialized)
struct AugmentationTimings {
  /// The least of several runs, in milliseconds of the thread's processor time.
  private func measure(_ name: String, _ repetitions: Int = 5, _ body: () -> Void) {
    func seconds() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
    body()
    let times = (0..<repetitions).map { _ in
      let start = seconds()
      body()
      return seconds() - start
    }
    print("  \(name): \(String(format: "%.2f", 1000 * (times.min() ?? 0))) ms")
  }

  @Test(arguments: [[128, 128, 128], [40, 56, 40]]) func transforms(size: [Int]) throws {
    let geometry = AugmentationGeometry(patch: size, variant: try .named("nnUNetTrainer"))
    let (patch, initial) = (geometry.patch, geometry.initialPatch)
    print("\(size), \(initial.axes)")
    var stream = RandomStream(seed: 1, purpose: .trainingSample, index: 0)
    let big = (0..<initial.count).map { _ in stream.normals().0 }
    let marks = (0..<initial.count).map { voxel in
      let (z, y, x) = (voxel / (initial.y * initial.x), voxel / initial.x % initial.y, voxel % initial.x)
      return Int16((3 * z / initial.z + 2 * y / initial.y + 2 * x / initial.x) % 4)
    }
    var values = Array(big[..<patch.count])
    var scratch = values
    var labels = Array(marks[..<patch.count])
    let transform = SpatialTransform(angles: [0.3, 0.3, 0.3], scales: [1.1, 1.1, 1.1])
    let rows = transform.rows(from: initial, to: patch, box: Box3D(initial))
    let n = patch.count
    measure("spatial image") { SpatialTransform.apply(rows, image: big, initial, to: &values, patch) }
    measure("spatial labels (4)") {
      SpatialTransform.apply(rows, labels: marks, initial, nearest: false, to: &labels, patch)
    }
    values = Array(big[..<n])
    measure("noise") { IntensityTransforms.noise(&values, count: n, deviation: 0.05, key: 1, first: 0) }
    let kernel = IntensityTransforms.blurKernel(sigma: 0.8)
    measure("blur 0.8") {
      IntensityTransforms.blur(&values, patch, kernels: [kernel, kernel, kernel], scratch: &scratch)
    }
    values = Array(big[..<n])
    measure("brightness") { IntensityTransforms.brightness(&values, count: n, factor: 1.1) }
    measure("contrast") { IntensityTransforms.contrast(&values, count: n, factor: 1.1) }
    let low = geometry.coarser(by: 0.7)
    measure("low resolution 0.7") { IntensityTransforms.lowResolution(&values, patch, lowShape: low) }
    values = Array(big[..<n])
    measure("gamma") { IntensityTransforms.gamma(&values, count: n, gamma: 1.2, inverted: false) }
    for size in [3, 5, 7] {
      values = Array(big[..<n])
      measure("median \(size)", 2) {
        IntensityTransforms.median(&values, patch, size: size, isPlanar: false, scratch: &scratch)
      }
    }
    values = Array(big[..<n])
    measure("sharpen") {
      IntensityTransforms.sharpen(&values, patch, strength: 0.1, isPlanar: false, scratch: &scratch)
    }
    values = Array(big[..<n])
    measure("gradient") {
      Bump(patch, centres: [0.2, 0.4, 0.9], widths: [20, 20, 20]).brighten(&values, strength: 2)
    }
    measure("local gamma") {
      Bump(patch, centres: [0.2, 0.4, 0.9], widths: [20, 20, 20]).applyGamma(&values, gamma: 0.5)
    }
    let box = Box3D(lower: Shape3D(2, 2, 2), upper: Shape3D(patch.z / 4, patch.y / 4, patch.x / 4))
    measure("rectangles") { for _ in 0..<4 { IntensityTransforms.blank(&values, patch, box: box) } }
    if patch.z == patch.x {
      for (name, order) in [("zyx", [2, 1, 0]), ("yxz", [1, 2, 0]), ("xzy", [2, 0, 1]), ("zxy", [0, 2, 1])] {
        var permutation = AxisPermutation()
        permutation.transpose(order)
        measure("turn + transpose \(name)") { permutation.apply(values, to: &scratch, patch) }
      }
    }
    measure("pyramid") {
      for level in 1...3 {
        let shape = Shape3D(patch.z >> level, patch.y >> level, patch.x >> level)
        DeepSupervision.pick(marks, patch, to: &labels, shape)
      }
    }
    let mask = Volume<UInt8>(shape: patch, elements: (0..<n).map { marks[$0] == 1 ? 1 : 0 })
    let element = StructuringElement(radius: 4.5, isPlanar: false)
    measure("dilation r 4.5") { _ = element.apply(.dilation, to: mask) }
  }
}
