import Basics
import Foundation
import Imaging
import TestSupport
import Testing

/// Results of the original Python tools; `Resources/make_golden.py` makes them, with the same pseudo-random inputs.
struct Golden {
  struct Case {
    let json: JSON
    let kind: String
    let seed: UInt64
    let source: Shape3D
    let target: Shape3D
    let current: Vector3D
    let new: Vector3D
    var order: Int { json["order"]?.int ?? 1 }
    var orderZ: Int { json["orderZ"]?.int ?? 0 }
    var channels: Int { json["channels"]?.int ?? 1 }
  }

  static func path(_ name: String) throws -> String {
    try #require(Bundle.module.url(forResource: "Resources/\(name)", withExtension: nil)).path
  }

  static func cases(_ name: String) throws -> [Case] {
    try #require(JSON.read(path(name)).array).map { json in
      func shape(_ key: String) throws -> Shape3D {
        let sizes = try #require(json[key]?.ints)
        return Shape3D(sizes[0], sizes[1], sizes[2])
      }
      func spacing(_ key: String) throws -> Vector3D {
        let sizes = try #require(json[key]?.doubles)
        return Vector3D(sizes[0], sizes[1], sizes[2])
      }
      return Case(
        json: json, kind: json["kind"]?.string ?? "", seed: UInt64(try #require(json["seed"]?.int)),
        source: try shape("source"), target: try shape("target"), current: try spacing("current"),
        new: try spacing("new"))
    }
  }

  static func values<Value: BitwiseCopyable>(_ name: String, as type: Value.Type) throws -> [Value] {
    try Path.read(path(name)).withUnsafeBytes { Array($0.bindMemory(to: Value.self)) }
  }
}

extension Volume where Element == Float {
  /// The intensities `make_golden.py` draws from the same seed.
  static func drawn(seed: UInt64, channels: Int = 1, shape: Shape3D) -> Volume {
    var generator = SeededGenerator(seed: seed)
    return Volume(
      channels: channels, shape: shape,
      elements: (0..<channels * shape.count).map { _ in Float(generator.next() >> 40) / 131_072 - 50 })
  }
}

extension Volume where Element == Int16 {
  /// The labels `make_golden.py` draws: each even column's draw is used twice.
  static func drawnLabels(seed: UInt64, shape: Shape3D, number: Int, first: Int) -> Volume {
    var generator = SeededGenerator(seed: seed)
    let draws = (0..<shape.count).map { _ in Int16(Int(generator.next() >> 33) % number + first) }
    return Volume(
      shape: shape,
      elements: (0..<shape.count).map { index in
        draws[index / shape.x * shape.x + index % shape.x / 2]
      })
  }
}

extension Volume where Element == UInt8 {
  /// The mask `make_golden.py` draws.
  static func drawnMask(seed: UInt64, shape: Shape3D, percent: Int) -> Volume {
    var generator = SeededGenerator(seed: seed)
    return Volume(
      shape: shape, elements: (0..<shape.count).map { _ in (generator.next() >> 33) % 100 < percent ? 1 : 0 })
  }
}
