import Basics
import Imaging
import TestSupport
import Testing

@testable import TotalSegmentator

/// The built-in catalogue, by itself and against the tables that were extracted from TotalSegmentator 2.18.0.
@Suite struct CatalogueTests {
  let catalogue: TaskCatalogue

  init() throws { catalogue = try TaskCatalogue.builtIn() }

  @Test func everyPartIsAccountedFor() throws {
    #expect(catalogue.tasks.count == 51)
    for task in catalogue.tasks {
      let helpers = task.steps.compactMap { step -> [Int]? in
        guard case .removeLabels(let labels) = step else { return nil }
        return labels
      }.flatMap { $0 }
      #expect(task.classes.map(\.id) == Array(1...task.classes.count), "\(task.name)")
      for (_, variant) in task.variants {
        #expect(variant.parts.map(\.classCount).reduce(0, +) == task.classes.count + helpers.count, "\(task.name)")
        var offset = 0
        for part in variant.parts {
          #expect(part.labelOffset == offset)
          offset += part.classCount
          #expect(try catalogue.dataset(part.dataset).folder.hasPrefix("Dataset"))
        }
      }
    }
  }

  @Test func everySourceCanBeFetchedSomehow() {
    for source in catalogue.sources {
      #expect((source.url == nil) != (source.licenseTask == nil), "\(source.folder)")
    }
    let needing = catalogue.tasks.filter(\.needsLicense)
    #expect(needing.count == 18)
    for task in needing {
      for part in task.standard.parts {
        #expect(catalogue.sources.first { $0.id == String(part.dataset) }?.licenseTask != nil)
      }
    }
  }

  @Test func cropsAreWhatTheReferenceDoes() throws {
    let rough = RoughModel(task: "total", variant: .fastest, robust: .fast)
    let lung = try catalogue.task(named: "lung_vessels")
    #expect(lung.crop?.model == rough && lung.crop?.isRobust == true && lung.crop?.margin == 20)
    #expect(lung.standard.spacing == Vector3D(1, 0.703125, 0.703125))
    let teeth = try catalogue.task(named: "teeth")
    #expect(
      teeth.crop?.model == RoughModel(task: "craniofacial_structures", variant: .standard, robust: .standard))
    #expect(teeth.crop?.margin == 10)
    #expect(try catalogue.task(named: "abdominal_muscles").crop?.model.task == "body")
    #expect(
      try catalogue.task(named: "liver_segments_mr").crop?.model
        == RoughModel(task: "total_mr", variant: .fast, robust: .fast))
    #expect(try catalogue.task(named: "total_v3").subsetCrop == rough)
    #expect(try catalogue.task(named: "liver_vessels").subsetCrop == nil)
  }

  @Test func stepsAreInOrder() throws {
    #expect(
      try catalogue.task(named: "body").steps == [
        .keepLargestComponent(label: 1), .removeSmallComponents(label: 2, volume: 50000), .deriveBodyAndSkin,
      ])
    #expect(try catalogue.task(named: "appendicular_bones").steps == [.removeLabels([12, 13, 14, 15])])
    #expect(
      try catalogue.task(named: "vertebrae_pp_refined").steps == [
        .separateVertebrae(minimumVolume: 100, dilation: 3),
        .confineVertebrae(task: "vertebrae_body", label: 1, dilation: 2),
      ])
    #expect(
      try catalogue.task(named: "heartchambers_highres").steps == [
        .removeOutside(rois: ["heart", "aorta", "inferior_vena_cava"], dilation: 10)
      ])
  }

  @Test func flagsSelectVariants() throws {
    let total = try catalogue.task(named: "total")
    #expect(try total.variant(fast: false, fastest: false).parts.map(\.dataset) == [291, 292, 293, 294, 295])
    #expect(try total.variant(fast: true, fastest: true).parts.map(\.dataset) == [297])
    #expect(try total.variant(fast: false, fastest: true).parts.map(\.dataset) == [298])
    #expect(total.legacyOrder == "total_v1")
    // body has no fastest variant.
    #expect(try catalogue.task(named: "body").variant(fast: false, fastest: true).parts.map(\.dataset) == [300])
    let ignoring = try catalogue.task(named: "vertebrae_mr")
    #expect(try ignoring.variant(fast: true, fastest: true) == ignoring.standard)
    let refusing = try catalogue.task(named: "teeth")
    #expect(try refusing.variant(fast: false, fastest: true) == refusing.standard)
    #expect { try refusing.variant(fast: true, fastest: false) } throws: { ($0 as? Failure)?.kind == .usage }
  }

  @Test func unknownNamesGetSuggestions() throws {
    func message(_ name: String) -> String {
      do {
        return try catalogue.task(named: name).name
      } catch { return "\(error)" }
    }
    #expect(message("totl") == "there is no task called totl (did you mean total?)")
    #expect(message("vessels").contains("did you mean lung_vessels or liver_vessels"))
    #expect(message("qqqqqq").contains("microtome info tasks"))
    #expect(message("test").contains("never published"))
    #expect(message("total_highres_test").contains("never published"))
  }

  @Test func downloadsKnowTasksNumbersAndAll() throws {
    #expect(try catalogue.sources(forDownload: "total").map(\.id) == ["291", "292", "293", "294", "295", "298"])
    #expect(try catalogue.sources(forDownload: "Dataset300_body_6mm_1559subj").map(\.id) == ["300"])
    #expect(try catalogue.sources(forDownload: "8").map(\.folder) == ["Dataset008_HepaticVessel"])
    #expect(try catalogue.sources(forDownload: "all").count == catalogue.sources.count)
    let refined = try catalogue.task(named: "vertebrae_pp_refined")
    #expect(catalogue.datasets(of: refined) == [803, 305])
    // The rough model of teeth has a rough model itself.
    #expect(try catalogue.datasets(of: catalogue.task(named: "teeth")) == [113, 115, 298, 297])
    #expect(try catalogue.companions(of: catalogue.task(named: "lung_vessels")) == [297])
    #expect(try catalogue.companions(of: catalogue.task(named: "total")) == [])
    #expect(try catalogue.datasets(of: catalogue.task(named: "total_mr")) == [850, 851, 852, 853])
    #expect(
      try catalogue.dataset(291).url
        == "https://github.com/wasserth/TotalSegmentator/releases/download/v2.0.0-weights/"
        + "Dataset291_TotalSegmentator_part1_organs_1559subj.zip")
  }

  @Test func listsAndGroups() throws {
    #expect(try catalogue.classList("total_v1").count == 104)
    #expect(try catalogue.group("lung_left") == ["lung_upper_lobe_left", "lung_lower_lobe_left"])
    #expect(catalogue.palette.count == 12 && catalogue.palette.last == SIMD3(185, 170, 155))
  }

  static let specification = ReferenceData.folder + "/spec/totalsegmentator-tasks.json"

  @Test(.enabled(if: Path.isFile(specification), ReferenceData.absence))
  func agreesWithTheReferenceTables() throws {
    let reference = try JSON.read(Self.specification)
    let weights = reference["weights"]
    for (name, entry) in reference["tasks"]?.object?.members ?? [] {
      if ["test", "total_highres_test"].contains(name) { continue }
      let task = try catalogue.task(named: name)
      #expect(task.modality.rawValue == entry["modality"]?.string)
      #expect(task.needsLicense == entry["license_required"]?.bool)
      #expect(
        task.classes.map { "\($0.id) \($0.name)" }
          == entry["classes"]?.object?.members.map { "\($0.key) \($0.value.string ?? "?")" }, "\(name)")
      #expect(task.variants.map(\.choice.rawValue) == entry["variants"]?.object?.keys, "\(name)")
      for (choice, variant) in task.variants {
        let other = entry["variants"]?[choice.rawValue]
        #expect(variant.parts.map(\.dataset) == other?["model_ids"]?.ints)
        #expect(variant.step == other?["step_size"]?.double)
        let spacing = variant.spacing.map { [$0.x, $0.y, $0.z] }
        #expect(spacing == other?["resample_mm_xyz"]?.doubles)
        let folders = try variant.parts.map { part in
          "\(try catalogue.dataset(part.dataset).folder)/\(part.trainer)__\(part.plans)__\(part.configuration)"
        }
        #expect(folders == other?["results_dirs"]?.strings)
        let small = try variant.parts.compactMap { part in
          try part.smallPlans.map {
            "\(try catalogue.dataset(part.dataset).folder)/\(part.trainer)__\($0)__\(part.configuration)"
          }
        }
        #expect(small == other?["results_dirs_model_size_small"]?.strings ?? [])
        for part in variant.parts {
          #expect(part.folds == other?["folds"]?.ints)
          #expect(try catalogue.dataset(part.dataset).url == weights?[String(part.dataset)]?["url"]?.string)
          #expect(
            try catalogue.dataset(part.dataset).licenseTask
              == weights?[String(part.dataset)]?["license_server_task"]?.string)
        }
        if let parts = other?["parts_in_merge_order"]?.array {
          #expect(variant.parts.map(\.labelOffset) == parts.map { $0["label_offset"]?.int })
          #expect(variant.parts.map(\.classCount) == parts.map { $0["local_label_count"]?.int })
        }
      }
      let crop = entry["crop"]
      #expect(task.crop?.rois == crop?["rois"]?.strings, "\(name)")
      #expect(task.crop?.margin == crop?["effective_addon_mm"]?.doubles?.first, "\(name)")
      #expect(task.crop?.isRobust == crop?["robust_crop"]?.bool, "\(name)")
    }
    for (name, datasets) in reference["download_weights_cli"]?.object?.members ?? [] {
      let ids = datasets.array?.map { $0.string ?? $0.int.map(String.init) ?? "?" }
      #expect(try catalogue.sources(forDownload: name).map(\.id) == ids)
    }
    for (name, classes) in reference["combine_masks"]?.object?.members ?? [] where name != "heart" {
      #expect(try catalogue.group(name) == classes.strings)
    }
    #expect(
      try catalogue.classList("total_v1")
        == reference["legacy_class_maps"]?["total_v1"]?.object?.members.map { $0.value.string ?? "?" })
    #expect(
      catalogue.palette.map { [Int($0.x), Int($0.y), Int($0.z)] }
        == reference["nifti_label_table_palette_rgb"]?.array?.map { $0.ints ?? [] })
  }
}
