import Basics
import ImageFormats
import TestSupport
import Testing

@testable import NNUNet

/// Plans against those the reference's planners wrote.
@Suite struct ExperimentPlannerTests {
  private static let vectors: [String] =
    ((try? Path.list(ReferenceData.vectors("planning"))) ?? []).filter { $0.hasSuffix(".json") }

  private func plan(_ input: JSON, preset: String? = nil) throws -> JSON {
    let options = input["options"]
    let dataset = try #require(input["dataset_json"])
    let ending = dataset["file_ending"]?.string
    return try ExperimentPlanner(
      preset: .named(preset ?? #require(input["planner"]?.string)),
      options: ExperimentPlanner.Options(
        memoryTarget: options?["gpu_memory_target_in_gb"]?.double,
        targetSpacing: options?["overwrite_target_spacing"]?.doubles, plansName: options?["plans_name"]?.string),
      datasetName: #require(input["dataset_name"]?.string), dataset: dataset,
      fingerprint: DatasetFingerprint(json: #require(input["dataset_fingerprint"])),
      reader: ending == ".png" ? .naturalImage2D : .simpleITK
    ).plan()
  }

  /// The whole file: every number, every name and the order of keys.
  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence), arguments: vectors)
  func plansAreThoseOfTheReference(vector: String) throws {
    let document = try JSON.read(ReferenceData.vectors("planning/" + vector))
    let plans = try plan(#require(document["input"]))
    #expect(plans.text(indent: 4) == document["expected_plans"]?.text(indent: 4))
  }

  /// The estimate in closed form against the sums over the feature maps of networks that were built.
  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence), arguments: vectors)
  func estimatesAreThoseOfTheReference(vector: String) throws {
    let document = try JSON.read(ReferenceData.vectors("planning/" + vector))
    let isPlain = document["input"]?["planner"]?.string == "ExperimentPlanner"
    for entry in document["estimate_trace_uncached_calls_in_order"]?.array ?? [] {
      let patch = try #require(entry["patch_size"]?.ints)
      let strides = try #require(entry["strides"]?.array).compactMap(\.ints)
      let topology = NetworkTopology(
        strides: strides, kernels: strides, patch: patch, divisors: patch.map { _ in 1 })
      let heads = try #require(entry["output_channels"]?.int)
      #expect(
        MemoryEstimate.count(topology, architecture: isPlain ? .plain : .residual, heads: heads)
          == entry["estimate"]?.int)
    }
  }

  @Test func theWorkedExampleIsFound() throws {
    let topology = NetworkTopology(spacing: [1.5, 1, 1], size: [22, 28, 30])
    #expect(topology.patch == [24, 28, 32])
    #expect(topology.strides == [[1, 1, 1], [2, 2, 2], [2, 2, 2]])
    #expect(topology.features == [32, 64, 128])
    #expect(MemoryEstimate.count(topology, architecture: .plain, heads: 3) == 4_451_328)
    let plan = try NetworkPlan(
      spacing: [1, 1], median: [28, 30], datasetVoxels: 203_280, heads: 3, preset: .standard, memory: nil)
    #expect(plan.topology.patch == [28, 32])
    #expect(plan.batchSize == 11)
  }

  /// Patches may start from sizes that are not whole.
  @Test func fractionalSizesAreRoundedUp() {
    let topology = NetworkTopology(spacing: [1, 1, 1], size: [161.5, 162, 173])
    #expect(topology.patch == [192, 192, 192])
  }

  @Test func plansOfTheSameNameKeepOtherConfigurations() throws {
    let folder = try TemporaryFolder()
    func plans(_ names: [String], _ mark: Int) -> JSON {
      .object([
        "plans_name": "p".json, "configurations": .object(JSONObject(names.map { ($0, .int(mark)) })),
      ])
    }
    try PlansFile.write(plans(["2d", "3d_lowres"], 1), folder: folder("new"))
    try PlansFile.write(plans(["2d", "3d_fullres"], 2), folder: folder("new"))
    let merged = try JSON.read(folder("new/p.json"))["configurations"]
    #expect(merged?.object?.keys == ["2d", "3d_fullres", "3d_lowres"])
    #expect(merged?["2d"]?.int == 2 && merged?["3d_lowres"]?.int == 1)
  }

  @Test func plansMoveToAnotherDataset() throws {
    let folder = try TemporaryFolder()
    let configurations: JSONObject = [
      "2d": .object(["data_identifier": "mine_2d".json]), "3d_lowres": .object(["data_identifier": "other_x".json]),
      "3d_cascade_fullres": .object(["inherits_from": "3d_fullres".json]),
    ]
    let plans: JSONObject = [
      "dataset_name": "Dataset001_A".json, "plans_name": "mine".json, "image_reader_writer": "SimpleITKIO".json,
      "configurations": .object(configurations), "kept": .int(3),
    ]
    try PlansFile.write(.object(plans), folder: folder("Dataset001_A"))
    let path = try PlansFile.move(
      "mine", from: folder("Dataset001_A"), to: folder("Dataset002_B"), as: "new", reader: .nibabel)
    let moved = try JSON.read(path)
    #expect(path == folder("Dataset002_B/new.json"))
    #expect(moved["dataset_name"]?.string == "Dataset002_B" && moved["plans_name"]?.string == "new")
    #expect(moved["image_reader_writer"]?.string == "NibabelIO" && moved["kept"]?.int == 3)
    #expect(moved["configurations"]?["2d"]?["data_identifier"]?.string == "new_2d")
    #expect(moved["configurations"]?["3d_lowres"]?["data_identifier"]?.string == "new_other_x")
  }

  /// Few and large slices cannot be made as coarse as the share of a patch would have it.
  @Test(arguments: [[2, 8000, 8000], [3, 8000, 8000], [5, 8000, 8000], [20, 30000, 30000]])
  func thinStacksArePlanned(shape: [Int]) throws {
    let dataset = try JSON(
      parsing: Array(#"{"labels": {"background": 0, "x": 1}, "numTraining": 1, "channel_names": {"0": "CT"}}"#.utf8))
    for spacing in [[1.0, 1, 1], [5, 0.5, 0.5], [1e9, 1, 1]] {
      let planner = try ExperimentPlanner(
        preset: .standard, options: .init(), datasetName: "Dataset001_X", dataset: dataset,
        fingerprint: DatasetFingerprint(
          shapes: [shape], spacings: [spacing], medianRelativeSize: 1, intensities: .object([:])), reader: .simpleITK)
      // An answer or a message, but no crash.
      do {
        let plans = try planner.plan()
        #expect(plans["configurations"]?["3d_fullres"]?["patch_size"]?.ints?.allSatisfy { $0 > 0 } == true)
      } catch let failure as Failure { #expect(failure.kind == .badInput || failure.kind == .usage) }
    }
  }

  @Test func impossibleOptionsAreRefused() throws {
    let unknown = #expect(throws: Failure.self) { try PlannerPreset.named("nnUNetPlannerResEncS") }
    #expect(unknown?.hint?.contains("nnUNetPlannerResEncM") == true)
    let fingerprint = DatasetFingerprint(
      shapes: [[64, 64, 64]], spacings: [[1, 1, 1]], medianRelativeSize: 1, intensities: .object([:]))
    let dataset = try JSON(
      parsing: Array(#"{"labels": {"background": 0, "x": 1}, "numTraining": 1, "channel_names": {"0": "CT"}}"#.utf8))
    func plan(_ options: ExperimentPlanner.Options) throws -> JSON {
      try ExperimentPlanner(
        preset: .standard, options: options, datasetName: "Dataset001_X", dataset: dataset, fingerprint: fingerprint,
        reader: .simpleITK
      ).plan()
    }
    #expect(throws: Failure.self) { try plan(.init(memoryTarget: 0)) }
    #expect(throws: Failure.self) { try plan(.init(memoryTarget: 1e-9)) }
    #expect(throws: Failure.self) { try plan(.init(targetSpacing: [1, 1])) }
    #expect(throws: Failure.self) { try plan(.init(targetSpacing: [1, 1, 0])) }
    #expect(throws: Failure.self) { try plan(.init(plansName: "a__b")) }
    #expect(try plan(.init(memoryTarget: 4))["plans_name"]?.string == "nnUNetPlans")
  }
}

extension String {
  fileprivate var json: JSON { .string(self) }
}
