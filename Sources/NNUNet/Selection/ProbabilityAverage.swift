import Basics
import Checkpoints
import ImageFormats
import Imaging
import Inference

/// Averages the probabilities that several models have given the voxels of one case, and makes labels of them.
///
/// The files are read side by side, class after class; memory is that of one class and of the labels, however many
/// classes there are.
struct ProbabilityAverage {
  let dataset: DatasetDescription
  let reader: ImageReader

  /// Writes the segmentation of a case.
  ///
  /// - Parameters:
  ///   - stems: the paths of `<case>.npz` of each model without the ending; the first model's `<case>.pkl` has the grid.
  ///   - output: the path of the segmentation without the file ending.
  ///   - savesProbabilities: also writes `<output>.npz` and `<output>.pkl`.
  /// - Throws: `missingInput`, `badInput` for damaged files and for shapes that do not agree, `cannotWrite`.
  func write(_ stems: [String], to output: String, savesProbabilities: Bool) throws {
    guard let first = stems.first else { return }
    let properties = try PickleFile.read(first + ".pkl")
    let geometry = try locating(first + ".pkl") { try GeometryProperties.geometry(properties) }
    let archive = savesProbabilities ? try NPZWriter(path: output + ".npz") : nil
    let labels = try average(stems.map { try NPZReader(path: $0 + ".npz", name: "probabilities") }, into: archive)
    try archive?.commit()
    if savesProbabilities { try PickleWriter.write(properties, to: output + ".pkl") }
    try reader.write(labels, as: output + dataset.fileEnding, like: geometry)
  }

  /// Values that are read at a time from each file.
  private static let chunk = 1 << 18

  private func average(_ files: [NPZReader], into archive: NPZWriter?) throws -> LabelMap {
    let channels = dataset.labels.outputCount
    for file in files {
      guard file.shape.count == 4, file.shape[0] == channels else {
        throw Failure(
          .badInput, "holds probabilities of shape \(file.shape); \(channels) classes with three axes were expected",
          file: file.path, hint: "dataset.json belongs to other predictions")
      }
      guard file.shape == files[0].shape else {
        throw Failure(
          .badInput, "holds probabilities of shape \(file.shape), \(files[0].path) of \(files[0].shape)",
          file: file.path, hint: "the models have been run on different images")
      }
    }
    let shape = Shape3D(files[0].shape[1], files[0].shape[2], files[0].shape[3])
    try archive?.begin("probabilities", shape: files[0].shape)
    var decision = Decision(rule: dataset.labels.rule, voxels: shape.count)
    let sum = UnsafeMutablePointer<Float>.allocate(capacity: Self.chunk)
    let values = UnsafeMutablePointer<Float>.allocate(capacity: Self.chunk)
    defer {
      sum.deallocate()
      values.deallocate()
    }
    for channel in 0..<channels {
      for start in stride(from: 0, to: shape.count, by: Self.chunk) {
        let count = min(Self.chunk, shape.count - start)
        try files[0].read(into: UnsafeMutableBufferPointer(start: sum, count: count))
        for file in files.dropFirst() {
          try file.read(into: UnsafeMutableBufferPointer(start: values, count: count))
          for index in 0..<count { sum[index] += values[index] }
        }
        if files.count > 1 {
          let divisor = Float(files.count)
          for index in 0..<count { sum[index] /= divisor }
        }
        try archive?.append(UnsafeBufferPointer(start: sum, count: count))
        decision.add(sum, channel: channel, at: start, count: count)
      }
    }
    try archive?.end()
    return decision.labels(shape: shape, isWide: dataset.labels.needsWideLabels)
  }
}

/// The labels so far, while the probabilities of one class after the other arrive.
private struct Decision {
  private let regionLabels: [UInt16]?
  private var labels: [UInt16]
  /// The largest probability so far; not needed for regions.
  private var best: [Float]

  init(rule: LabelReduction, voxels: Int) {
    labels = [UInt16](repeating: 0, count: voxels)
    switch rule {
    case .largest: (regionLabels, best) = (nil, [Float](repeating: -.infinity, count: voxels))
    case .regions(let order): (regionLabels, best) = (order, [])
    }
  }

  /// Of equal probabilities the first class wins; of regions above one half, the last.
  mutating func add(_ values: UnsafePointer<Float>, channel: Int, at start: Int, count: Int) {
    labels.withUnsafeMutableBufferPointer { labels in
      if let regionLabels {
        let label = regionLabels[channel]
        for index in 0..<count where values[index] > 0.5 { labels[start + index] = label }
        return
      }
      let label = UInt16(truncatingIfNeeded: channel)
      best.withUnsafeMutableBufferPointer { best in
        for index in 0..<count where values[index] > best[start + index] {
          best[start + index] = values[index]
          labels[start + index] = label
        }
      }
    }
  }

  func labels(shape: Shape3D, isWide: Bool) -> LabelMap {
    if isWide { return .uint16(Volume(shape: shape, elements: labels)) }
    return .uint8(Volume(shape: shape, elements: labels.map { UInt8(truncatingIfNeeded: $0) }))
  }
}
