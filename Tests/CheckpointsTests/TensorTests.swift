import Basics
import Foundation
import TestSupport
import Testing

@testable import Checkpoints

/// Files made with the original tools; see `make_checkpoints.py`.
func resource(_ name: String) -> String { Bundle.module.bundlePath + "/Resources/" + name }

/// 0, 0.25, 0.5, ...: what most golden files hold.
func ramp(_ count: Int) -> [Float] { (0..<count).map { Float($0) / 4 } }

@Suite struct TensorTests {
  @Test func viewsAreReadInCOrder() throws {
    let base = try Tensor(floats: ramp(12), shape: [3, 4])
    #expect(base.isContiguous)
    #expect(base.floats() == ramp(12))
    let transposed = try Tensor(elementType: .float32, shape: [4, 3], strides: [1, 4], storage: base.storage)
    #expect(!transposed.isContiguous)
    #expect(transposed.rawBytes == nil)
    #expect(transposed.floats() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map { Float($0) / 4 })
    #expect(transposed.withContiguousFloats { Array($0) } == transposed.floats())
    let scalar = try Tensor(elementType: .float32, shape: [], storage: base.storage, offset: 5)
    #expect(scalar.floats() == [1.25])
    let empty = try Tensor(elementType: .float32, shape: [0, 7], storage: base.storage)
    #expect(empty.floats().isEmpty && empty.count == 0)
  }

  @Test func contiguousFloatsAreNotCopied() throws {
    let tensor = try Tensor(floats: ramp(8), shape: [2, 4])
    let address = tensor.withContiguousFloats { UnsafeRawPointer($0.baseAddress) }
    #expect(address == tensor.storage.bytes.baseAddress)
    // An odd address cannot be read as floats in place.
    let folder = try TemporaryFolder()
    try AtomicFile.write([0] + Array(tensor.storage.bytes), to: folder("odd"))
    let odd = try TensorStorage(file: MappedFile(path: folder("odd")), range: 1..<33)
    let shifted = try Tensor(elementType: .float32, shape: [8], storage: odd)
    #expect(shifted.withContiguousFloats { Array($0) } == ramp(8))
  }

  @Test(arguments: [
    ([3, 4], [4, 1], 1), ([3, 5], [4, 1], 0), ([13], [1], 0), ([2], [Int.max], 0), ([Int.max, 4], [0, 0], 0),
    ([1 << 40], [0], 0), ([-1], [1], 0), ([2], [-1], 3), ([2], [1], -1), ([2], [1, 1], 0),
    ([2], [1], Int.max), ([Int](repeating: 1, count: 65), [Int](repeating: 1, count: 65), 0),
  ])
  func impossibleViewsAreRefused(shape: [Int], strides: [Int], offset: Int) throws {
    let storage = TensorStorage([UInt8](repeating: 0, count: 48))
    #expect(throws: Failure.self) {
      try Tensor(elementType: .float32, shape: shape, strides: strides, storage: storage, offset: offset)
    }
  }

  @Test func halfPrecisionIsExact() {
    // The numbers are those of IEEE 754-2008 table 3.5.
    #expect(float(half: 0x0001) == 0x1p-24)
    #expect(float(half: 0x03FF) == 0x1.ff8p-15)
    #expect(float(half: 0x0400) == 0x1p-14)
    #expect(float(half: 0x7BFF) == 65504)
    #expect(float(half: 0xFC00) == -.infinity)
    #expect(float(half: 0x7E00).isNaN)
    #expect(float(half: 0x8000).sign == .minus)
    #expect(float(brain: 0x3FC0) == 1.5)
  }

  @Test func everyHalfConverts() {
    #if arch(arm64)
      for bits in UInt16.min...UInt16.max where !Float16(bitPattern: bits).isNaN {
        #expect(float(half: bits) == Float(Float16(bitPattern: bits)))
      }
    #else
      // Rebuilt from the definition: sign, exponent, significand.
      for bits in UInt16.min...UInt16.max where bits & 0x7C00 != 0x7C00 {
        let exponent = Int(bits >> 10 & 0x1F)
        let fraction = Float(bits & 0x3FF) / 1024
        let magnitude =
          exponent == 0
          ? fraction * 0x1p-14 : Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction)
        #expect(float(half: bits) == (bits & 0x8000 == 0 ? magnitude : -magnitude))
      }
    #endif
  }
}
