import Basics
import ImageFormats
import Imaging
import Synchronization

/// Whether a raw dataset can be trained on: nnU-Net's `verify_dataset_integrity`, but with all problems at once.
public struct DatasetIntegrity: Sendable {
  /// What must be put right; every problem names its file and says what to do.
  public private(set) var problems: [Failure] = []
  /// What is odd but possible: origins that differ, say.
  public private(set) var warnings: [String] = []

  /// Checks a dataset, reading every image and label on all cores.
  ///
  /// - Parameter progress: is told how many cases are done.
  /// - Throws: `interrupted`; problems of the dataset are not thrown.
  public init(
    of dataset: RawDataset, reader: ImageReader, limit: Int? = nil,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    checkDescription(dataset)
    checkFiles(dataset)
    let allowed = Set(dataset.description.labels.all + (dataset.description.labels.ignore.map { [$0] } ?? []))
    let cases = dataset.cases
    let channels = dataset.description.channelCount
    let found = Mutex([Int: CaseFindings]())
    try CaseWorkers.run(cases.count, limit: limit) {
      CaseMemory.ofReading(cases[$0].images, reader: reader)
    } failed: { index, failure in
      found.withLock { $0[index] = CaseFindings(problems: [failure]) }
    } _: { index in
      let findings = try CaseFindings(cases[index], reader: reader, channels: channels, allowed: allowed)
      let done = found.withLock { all in
        all[index] = findings
        return all.count
      }
      progress(done, cases.count)
    }
    let byCase = found.withLock { $0 }
    for index in cases.indices {
      problems += byCase[index]?.problems ?? []
      warnings += byCase[index]?.warnings ?? []
    }
  }

  /// What `dataset.json` says by itself.
  private mutating func checkDescription(_ dataset: RawDataset) {
    let path = Path.join(dataset.path, "dataset.json")
    let json = dataset.description.json
    if json["channel_names"] == nil {
      problems.append(
        Failure(
          .badInput, "\"channel_names\" is missing", file: path,
          hint: "rename \"modality\", which nnU-Net v1 used, to \"channel_names\""))
    }
    if let count = json["numTraining"]?.int {
      if count != dataset.cases.count {
        problems.append(
          Failure(
            .badInput, "\"numTraining\" is \(count), but there are \(dataset.cases.count) training cases", file: path,
            hint: "correct the number, or look for missing images"))
      }
    } else {
      problems.append(Failure(.badInput, "\"numTraining\" is missing", file: path))
    }
    let labels = dataset.description.labels.all + (dataset.description.labels.ignore.map { [$0] } ?? [])
    if labels != Array(0..<labels.count) {
      problems.append(
        Failure(
          .badInput, "the labels \(labels.map(String.init).joined(separator: ", ")) are not consecutive", file: path,
          hint: "labels must be 0, 1, 2, ... without gaps"))
    }
  }

  private mutating func checkFiles(_ dataset: RawDataset) {
    for image in dataset.unusable {
      problems.append(
        Failure(
          .badInput, "has no channel number in its name", file: image,
          hint: "rename it to CASE_0000\(dataset.description.fileEnding)"))
    }
    for training in dataset.cases {
      for file in training.images where !Path.exists(file) {
        problems.append(Failure(.missingInput, "does not exist", file: file))
      }
      if !Path.exists(training.label) {
        problems.append(
          Failure(
            .missingInput, "does not exist", file: training.label,
            hint: "every training case needs a segmentation of this name"))
      }
    }
  }
}

/// What is wrong with one case.
private struct CaseFindings: Sendable {
  var problems: [Failure] = []
  var warnings: [String] = []

  init(problems: [Failure]) { self.problems = problems }

  init(_ training: TrainingCase, reader: ImageReader, channels: Int, allowed: Set<Int>) throws {
    // Files that do not exist are reported already.
    guard (training.images + [training.label]).allSatisfy(Path.exists) else { return }
    let image = try reader.read(training.images)
    let label = try reader.read([training.label], areLabels: true)
    let file = training.images[0]
    if image.voxels.channels != channels {
      complain(
        file, "the case has \(image.voxels.channels) channel(s), dataset.json names \(channels)",
        "channels are files named CASE_0000, CASE_0001, ...")
    }
    // Which file a channel is of is known where every file holds one.
    let files = image.voxels.channels == training.images.count ? training.images : [file]
    let size = image.voxels.elements.count / files.count
    for (index, path) in files.enumerated() {
      let empty = Self.countNaN(image.voxels.elements[(index * size)..<((index + 1) * size)])
      if empty > 0 { complain(path, "\(empty) voxels are NaN", "replace them, for example by 0") }
    }
    if label.voxels.channels != 1 {
      complain(training.label, "has \(label.voxels.channels) channels, not labels", nil)
    }
    checkLabels(label.voxels, training.label, allowed)
    if image.voxels.shape != label.voxels.shape {
      complain(
        training.label, "has \(label.voxels.shape) voxels, its image \(image.voxels.shape)",
        "image and segmentation must lie on one grid")
    }
    if !zip(image.spacing.axes, label.spacing.axes).allSatisfy(Self.isClose) {
      complain(
        training.label, "has the spacing \(label.spacing) mm, its image \(image.spacing) mm",
        "image and segmentation must lie on one grid")
    } else if !image.geometry.isClose(to: label.geometry) {
      warnings.append("\(training.label) and \(file) differ in origin or orientation")
    }
    warnings += image.warnings
  }

  private mutating func complain(_ file: String, _ message: String, _ hint: String?) {
    problems.append(Failure(.badInput, message, file: file, hint: hint))
  }

  private mutating func checkLabels(_ volume: Volume<Float>, _ file: String, _ allowed: Set<Int>) {
    let empty = Self.countNaN(volume.elements[...])
    if empty > 0 { complain(file, "\(empty) voxels are NaN", nil) }
    let expected = Set(allowed.map(Float.init))
    var strange = Set<Float>()
    volume.elements.withUnsafeBufferPointer { voxels in
      // Labels come in runs: the set is asked only where the value changes.
      var last: Float = 0
      for value in voxels where value != last {
        last = value
        if !expected.contains(value), !value.isNaN, strange.count < 64 { strange.insert(value) }
      }
    }
    guard !strange.isEmpty else { return }
    let list = strange.sorted().prefix(12).map { Int(exactly: $0).map(String.init) ?? "\($0)" }
    complain(
      file, "holds the value(s) \(list.joined(separator: ", ")), which are no labels of dataset.json",
      "expected are \(allowed.sorted().map(String.init).joined(separator: ", "))")
  }

  private static func countNaN(_ values: ArraySlice<Float>) -> Int {
    values.withUnsafeBufferPointer { $0.reduce(into: 0) { count, value in count &+= value.isNaN ? 1 : 0 } }
  }

  /// numpy's `allclose`.
  private static func isClose(_ left: Double, _ right: Double) -> Bool {
    abs(left - right) <= 1e-8 + 1e-5 * abs(right)
  }
}

/// What a case needs in memory, from the headers of its files.
enum CaseMemory {
  /// Bytes for the image as floats, its label and a copy.
  static func ofReading(_ images: [String], reader: ImageReader) -> Int {
    guard let header = try? ImageHeader.read(images[0]) else { return 0 }
    return header.shape.count * (4 * header.channels * images.count + 8) * 2
  }
}
