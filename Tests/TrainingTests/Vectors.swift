import Basics
import TestSupport
import Testing

/// Numbers made with the original tools, by file under `spec/vectors/training`.
enum Vectors {
  static func read(_ name: String) throws -> JSON { try JSON.read(ReferenceData.vectors("training/\(name)")) }
}

extension JSON {
  func floats(_ key: String) -> [Float] { (self[key]?.array ?? []).map { Float($0.double ?? .nan) } }
  func labels(_ key: String) -> [Int16] { (self[key]?.ints ?? []).map { Int16($0) } }
}

/// The largest absolute difference of two lists; infinite when their lengths differ.
func distance(_ left: some Collection<Float>, _ right: some Collection<Float>) -> Float {
  guard left.count == right.count else { return .infinity }
  return zip(left, right).map { abs($0 - $1) }.max() ?? 0
}
