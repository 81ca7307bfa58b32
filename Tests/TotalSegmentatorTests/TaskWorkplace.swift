import Basics
import Engines
import ImageFormats
import Imaging
import Synchronization
import TestSupport
import Testing

@testable import TotalSegmentator

/// Generated weights, a made-up scan and a place for results, for one test.
final class TaskWorkplace {
  let folder: TemporaryFolder
  let catalogue: TaskCatalogue
  let store: WeightStore
  var image: String { folder("scan.nii.gz") }
  /// Of the scan.
  let shape: Shape3D

  /// The engine that is fast when it is there, or the one that always is.
  private static let engine: any Engine = InstalledOpenVINO.engine ?? ReferenceEngine()

  /// - Parameters:
  ///   - task: whose networks are made, with those of its helpers.
  ///   - extra: further datasets.
  init(
    for task: String, and extra: [Int] = [], scan: SyntheticScan = SyntheticScan(), catalogue: TaskCatalogue? = nil
  ) throws {
    folder = try TemporaryFolder()
    self.catalogue = try catalogue ?? .builtIn()
    let folder = folder
    store = WeightStore(
      catalogue: self.catalogue,
      folders: TotalSegmentatorFolders(weights: folder("weights"), environment: { _ in folder("home") }))
    let datasets = try self.catalogue.datasets(of: self.catalogue.task(named: task))
    try TinyWeights(catalogue: self.catalogue, folder: store.folders.weights).write(datasets: Set(datasets + extra))
    shape = scan.shape
    try AtomicFile.write(scan.gzipped, to: folder("scan.nii.gz"))
  }

  /// What a run said.
  struct Report {
    var summary = TaskRun.Summary()
    var warnings: [String] = []
    var notes: [String] = []
    /// What networks looked for, each stage once, in order.
    var stages: [String] = []
  }

  /// Runs a task on the scan.
  @discardableResult
  func run(
    _ task: String, to destinations: [TaskCase.Destination], statistics: String? = nil,
    output: TaskRun.Output = TaskRun.Output(), _ adjust: (inout TaskOptions) -> Void = { _ in }
  ) throws -> Report {
    var options = TaskOptions()
    options.task = task
    options.compile.precision = .fp32
    adjust(&options)
    let report = Mutex(Report())
    let run = try TaskRun(weights: store, engine: Self.engine, options: options, output: output) { event in
      report.withLock {
        switch event {
        case .warning(let text): $0.warnings.append(text)
        case .note(let text): $0.notes.append(text)
        case .advanced(let stage, _, _): if $0.stages.last != stage { $0.stages.append(stage) }
        default: break
        }
      }
    }
    let summary = try run.run(
      destinations.map { TaskCase(identifier: "scan", image: image, segmentation: $0, statistics: statistics) })
    report.withLock { $0.summary = summary }
    #expect(summary.failures.isEmpty, "\(summary.failures)")
    return report.withLock { $0 }
  }

  /// Runs a task and returns the labels on the scan's grid.
  func segment(_ task: String, _ adjust: (inout TaskOptions) -> Void = { _ in }) throws -> Volume<UInt8> {
    try run(task, to: [.file(folder("labels.nii.gz"))], adjust)
    return try labels(folder("labels.nii.gz"))
  }

  /// The voxels of a file of labels.
  func labels(_ path: String) throws -> Volume<UInt8> {
    let image = try NIfTIImage(path: path)
    return Volume(shape: image.voxels.shape, elements: image.voxels.elements.map { UInt8($0) })
  }
}

extension Volume where Element == UInt8 {
  /// The labels that occur, background included.
  var labels: Set<Int> { Set(Set(elements).map(Int.init)) }

  /// How many voxels are not 0.
  var foreground: Int { elements.count { $0 != 0 } }

  /// How many voxels differ.
  func difference(_ other: Volume) -> Int { zip(elements, other.elements).count { $0 != $1 } }
}
