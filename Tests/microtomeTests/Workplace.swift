import Basics
import Foundation
import ImageFormats
import Imaging
import TestSupport
import Testing

/// Images, a model and a place for results, for one test. Networks are run by the reference engine, which needs no
/// library.
final class Workplace {
  let folder: TemporaryFolder
  var input: String { folder("images") }
  var output: String { folder("labels") }
  /// The model folder of `predict`.
  var model = Workplace.resource("model")

  /// - Parameter images: file names and contents.
  init(_ images: [String: [UInt8]] = [:]) throws {
    folder = try TemporaryFolder()
    try Path.makeFolder(input)
    for (name, bytes) in images { try add(name, bytes) }
  }

  func add(_ name: String, _ bytes: [UInt8]) throws { try AtomicFile.write(bytes, to: Path.join(input, name)) }

  static func resource(_ name: String) -> String { Bundle.module.bundlePath + "/Resources/" + name }

  /// Gives this test a copy of the model, to be spoiled.
  func copyModel() throws {
    let target = folder("model")
    try Self.copy(model, to: target)
    model = target
  }

  /// Replaces a piece of text in a file of the model, wherever it occurs.
  func edit(_ file: String, _ old: String, _ new: String) throws {
    let path = Path.join(model, file)
    let text = String(decoding: try Path.read(path), as: UTF8.self)
    try #require(text.contains(old), "\(file) does not contain \(old)")
    try AtomicFile.write(Array(text.replacing(old, with: new).utf8), to: path)
  }

  /// Replaces the checkpoint of fold 0.
  func setCheckpoint(_ bytes: [UInt8]) throws {
    try AtomicFile.write(bytes, to: Path.join(model, "fold_0/checkpoint_final.pth"))
  }

  static func copy(_ source: String, to target: String) throws {
    try Path.makeFolder(target)
    for name in try Path.list(source) {
      let (from, to) = (Path.join(source, name), Path.join(target, name))
      if Path.isFolder(from) { try copy(from, to: to) } else { try AtomicFile.write(Path.read(from), to: to) }
    }
  }

  /// Options that make a run short.
  static let quick = ["-f", "0", "--disable_tta", "-step_size", "1", "--engine", "reference"]

  /// `microtome predict` on the input folder.
  func predict(
    _ options: [String] = Workplace.quick, environment: [String: String?] = [:], signal: Program.Signal? = nil,
    largestFile: Int? = nil
  ) throws -> ProgramRun {
    try Program.run(
      ["predict", "-i", input, "-o", output, "-m", model] + options, environment: environment, signal: signal,
      largestFile: largestFile)
  }

  /// Everything in the output folder, hidden files included, but for the side files of every run.
  var results: [String] {
    ((try? Path.list(output)) ?? []).filter {
      !["dataset.json", "plans.json", "predict_from_raw_data_args.json"].contains($0)
    }
  }

  /// The labels of a case, which must be complete.
  func labels(_ name: String) throws -> LabelMap {
    try ImageReader.simpleITK.readLabels(Path.join(output, name)).labels
  }
}

/// Small NIfTI files.
struct TestImage: Sendable {
  var shape = Shape3D(16, 16, 16)
  var spacing: Float = 1
  /// What the header claims; nil for the truth.
  var dimensions: [Int16]?
  var voxel: @Sendable (inout SeededGenerator) -> Float = { Float.random(in: 0..<1, using: &$0) }
  var seed: UInt64 = 1
  /// The voxels themselves, instead of `voxel`.
  var values: [Float]?

  /// The file, not compressed.
  var bytes: [UInt8] {
    var header = [UInt8](repeating: 0, count: 352)
    func put<Value>(_ value: Value, at offset: Int) {
      withUnsafeBytes(of: value) { header.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
    put(Int32(348).littleEndian, at: 0)
    let truth = [3, Int16(shape.x), Int16(shape.y), Int16(shape.z), 1, 1, 1, 1]
    for (index, size) in (dimensions ?? truth).enumerated() { put(size.littleEndian, at: 40 + 2 * index) }
    put(Int16(16).littleEndian, at: 70)
    put(Int16(32).littleEndian, at: 72)
    for index in 0..<4 { put((index == 0 ? 1 : spacing).bitPattern.littleEndian, at: 76 + 4 * index) }
    put(Float(352).bitPattern.littleEndian, at: 108)
    put(Float(1).bitPattern.littleEndian, at: 112)
    header.replaceSubrange(344..<348, with: Array("n+1\0".utf8))
    var generator = SeededGenerator(seed: seed)
    for value in values ?? (0..<shape.count).map({ _ in voxel(&generator) }) {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { header += $0 }
    }
    return header
  }

  /// The file, gzipped.
  var gzipped: [UInt8] { get throws { try Gzip.compress(bytes) } }

  static var good: [UInt8] { get throws { try TestImage().gzipped } }
}

extension ProgramRun {
  /// How many lines of the complaints contain all of `phrases`.
  func complaints(_ phrases: String...) -> Int {
    errors.split(separator: "\n").count { line in phrases.allSatisfy(line.contains) }
  }
}
