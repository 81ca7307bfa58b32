import Basics
import Checkpoints
import ImageFormats
import Imaging
import TestSupport
import Testing

@testable import TotalSegmentator

/// What options and the steps after the networks do to a segmentation, with generated networks.
@Suite(.serialized) struct TaskOptionTests {
  // MARK: Steps

  /// The built-in catalogue with one task deprived of its steps.
  private func catalogue(without task: String) throws -> TaskCatalogue {
    var catalogue = try TaskCatalogue.builtIn()
    let index = try #require(catalogue.tasks.firstIndex { $0.name == task })
    catalogue.tasks[index].steps = []
    return catalogue
  }

  @Test(arguments: ["kidney_cysts", "face_mr", "renal_arteries", "appendicular_bones"])
  func helperClassesAreRemoved(task name: String) throws {
    let all = try TaskWorkplace(for: name, catalogue: catalogue(without: name)).segment(name)
    let kept = try TaskWorkplace(for: name).segment(name)
    let count = UInt8(try TaskCatalogue.builtIn().task(named: name).classes.count)
    #expect(all.elements.contains { $0 > count })
    #expect(kept.elements == all.elements.map { $0 > count ? 0 : $0 })
  }

  @Test func whatLiesOutsideTheHeartIsRemoved() throws {
    let name = "heartchambers_highres"
    let all = try TaskWorkplace(for: name, catalogue: catalogue(without: name)).segment(name)
    let kept = try TaskWorkplace(for: name).segment(name)
    #expect(zip(kept.elements, all.elements).allSatisfy { $0 == 0 || $0 == $1 })
    #expect(kept.foreground > 0 && kept.foreground < all.foreground)
  }

  @Test func vertebraeAreConfinedToTheirBodies() throws {
    let place = try TaskWorkplace(for: "vertebrae_pp_refined")
    let report = try place.run("vertebrae_pp_refined", to: [.file(place.folder("refined.nii.gz"))])
    #expect(report.stages == ["vertebrae_pp_refined", "vertebrae_body (rough)"])
    let refined = try place.labels(place.folder("refined.nii.gz"))
    let bodies = try place.segment("vertebrae_body")
    #expect(zip(refined.elements, bodies.elements).allSatisfy { $0 == 0 || $1 == 1 })
    var grown = try place.segment("vertebrae_pp")
    let zooms = try NIfTITemplate(path: place.image).zooms
    try VertebraSeparation().refine(
      &grown, bodies: Volume(shape: grown.shape, elements: bodies.elements.map { $0 == 1 ? 1 : 0 }),
      spacing: Vector3D(zooms[2], zooms[1], zooms[0]))
    #expect(refined.elements == grown.elements)
  }

  /// The rough model of teeth is itself confined to a region that another rough model finds.
  @Test func teethAreLookedForTwice() throws {
    let place = try TaskWorkplace(for: "teeth")
    let report = try place.run("teeth", to: [.none])
    #expect(report.stages == ["total (rough)", "craniofacial_structures (rough)", "teeth"])
  }

  // MARK: Regions

  @Test(arguments: ["total", "total_mr", "total_v3"])
  func aSubsetIsCutOut(task name: String) throws {
    let place = try TaskWorkplace(for: name)
    let wanted = ["liver", "kidney_right"]
    let file = place.folder("labels.nii.gz")
    let report = try place.run(name, to: [.file(file), .folder(place.folder("masks"))]) { $0.subset = wanted }
    #expect(report.warnings == [])
    #expect(report.stages.first == (name == "total_mr" ? "total_mr (rough)" : "total (rough)"))
    let task = try place.catalogue.task(named: name)
    let ids = wanted.compactMap(task.label)
    #expect(try place.labels(file).labels.isSubset(of: Set(ids + [0])))
    let table = try #require(NIfTILabelTable.find(in: NIfTITemplate(path: file).extensions))
    #expect(table.map(\.key) == ids.sorted())
    #expect(try Path.list(place.folder("masks")) == wanted.sorted().map { $0 + ".nii.gz" })
  }

  /// The rough models do not know it, so it may be anywhere.
  @Test func aClassUnknownToTheRoughModelIsLookedForEverywhere() throws {
    let place = try TaskWorkplace(for: "total_v3")
    #expect(try place.catalogue.task(named: "total_v3").label(of: "vertebrae_L6") != nil)
    let report = try place.run("total_v3", to: [.none]) { $0.subset = ["vertebrae_L6"] }
    #expect(report.warnings == [] && report.stages.last == "total_v3")
  }

  @Test func theBodyIsCutOut() throws {
    let place = try TaskWorkplace(for: "breasts", and: [300])
    let report = try place.run("breasts", to: [.none]) { $0.cropsToBody = true }
    #expect(report.stages.first == "body (rough)")
  }

  /// A rough model that sees nothing but background.
  @Test func anImageWithoutTheOrganGivesAnEmptySegmentation() throws {
    let place = try TaskWorkplace(for: "liver_vessels")
    let source = try place.catalogue.dataset(298)
    let part = try #require(place.catalogue.task(named: "total").fastest?.parts.first)
    var network = TinyNetwork(seed: 1, classes: part.classCount + 1)
    network.favourites = [0]
    network.favour = 1000
    try network.checkpoint().write(
      to: place.store.path(of: part, smallModel: false) + "/fold_0/checkpoint_final.pth", configuration: "3d_fullres")
    #expect(place.store.state(of: source) == .installed)
    let file = place.folder("labels.nii.gz")
    let report = try place.run(
      "liver_vessels", to: [.file(file), .folder(place.folder("masks"))], statistics: place.folder("statistics.json"))
    #expect(report.stages == ["total (rough)"])
    #expect(report.warnings.first?.contains("none of liver is in the image") == true)
    let labels = try place.labels(file)
    #expect(labels.shape == place.shape && labels.foreground == 0)
    #expect(try NIfTITemplate(path: file).affine == NIfTITemplate(path: place.image).affine)
    #expect(try Path.list(place.folder("masks")) == ["liver_tumor.nii.gz", "liver_vessels.nii.gz"])
    #expect(try JSON.read(place.folder("statistics.json"))["liver_vessels"]?["volume"]?.double == 0)
  }

  @Test func piecesAlongZ() throws {
    // Too thin to be cut: the same as without.
    let thin = try TaskWorkplace(for: "breasts")
    #expect(try thin.segment("breasts").difference(thin.segment("breasts") { $0.forcesSplit = true }) == 0)
    var scan = SyntheticScan()
    scan.spacing = [1.5, 1.5, 4.5]
    let thick = try TaskWorkplace(for: "breasts", scan: scan)
    let pieces = try thick.segment("breasts") { $0.forcesSplit = true }
    // Each piece is normalised on its own only inside the network, so most voxels are the same.
    #expect(thick.areAlike(pieces, try thick.segment("breasts")))
  }

  // MARK: Results

  @Test func smallBlobsAreRemoved() throws {
    let place = try TaskWorkplace(for: "liver_segments")
    let all = try place.segment("liver_segments")
    let large = try place.segment("liver_segments") { $0.smallBlobVolume = 200 }
    #expect(zip(large.elements, all.elements).allSatisfy { $0 == 0 || $0 == $1 })
    #expect(large.foreground < all.foreground && large.foreground > 0)
    #expect(try place.segment("liver_segments") { $0.smallBlobVolume = 1e9 }.foreground == 0)
  }

  @Test func classesAreNumberedAsInReleaseOne() throws {
    let place = try TaskWorkplace(for: "total")
    let now = try place.segment("total") { $0.fast = true }
    let file = place.folder("v1.nii.gz")
    try place.run("total", to: [.file(file), .folder(place.folder("masks"))]) {
      ($0.fast, $0.usesLegacyOrder) = (true, true)
    }
    let before = try place.labels(file)
    let names = try place.catalogue.classList("total_v1")
    let classes = try place.catalogue.task(named: "total").classes
    let numbers = [0] + classes.map { (names.firstIndex(of: $0.name) ?? -1) + 1 }
    #expect(before.elements == now.elements.map { UInt8(numbers[Int($0)]) })
    #expect(try NIfTILabelTable.find(in: NIfTITemplate(path: file).extensions)?.map(\.name) == names)
    #expect(try Path.list(place.folder("masks")) == names.map { $0 + ".nii.gz" }.sorted())
    let liver = try place.labels(place.folder("masks/liver.nii.gz"))
    let id = try #require(place.catalogue.task(named: "total").label(of: "liver"))
    #expect(liver.elements == now.elements.map { Int($0) == id ? 1 : 0 })
  }

  @Test func classesAreNumberedAsInReleaseOneOnTheModelsGridToo() throws {
    let place = try TaskWorkplace(for: "total")
    func labels(_ name: String, legacy: Bool) throws -> Volume<UInt8> {
      try place.run("total", to: [.file(place.folder(name))]) {
        ($0.fast, $0.keepsModelGrid, $0.usesLegacyOrder) = (true, true, legacy)
      }
      return try place.labels(place.folder(name))
    }
    let now = try labels("now.nii.gz", legacy: false)
    let names = try place.catalogue.classList("total_v1")
    let classes = try place.catalogue.task(named: "total").classes
    let numbers = [0] + classes.map { (names.firstIndex(of: $0.name) ?? -1) + 1 }
    #expect(try labels("v1.nii.gz", legacy: true).elements == now.elements.map { UInt8(numbers[Int($0)]) })
  }

  @Test func anEmptySegmentationHasTheNumbersOfReleaseOneToo() throws {
    let place = try TaskWorkplace(for: "total")
    let task = try place.catalogue.task(named: "total")
    try place.letRoughModel(of: task, findOnly: 0)
    let file = place.folder("labels.nii.gz")
    let report = try place.run("total", to: [.file(file)]) {
      ($0.subset, $0.usesLegacyOrder) = (["spleen", "liver"], true)
    }
    #expect(report.warnings.first?.contains("the segmentation is empty") == true)
    let table = try #require(NIfTILabelTable.find(in: NIfTITemplate(path: file).extensions))
    let names = try place.catalogue.classList("total_v1")
    for entry in table { #expect(names[entry.key - 1] == entry.name) }
    #expect(table.map(\.name) == names.filter { ["spleen", "liver"].contains($0) })
  }

  /// Not even together with what a crop excludes, as in the reference.
  @Test func theBodyIsNotLookedForInMRImages() throws {
    let place = try TaskWorkplace(for: "total_mr")
    let report = try place.run("total_mr", to: [.none]) {
      ($0.fast, $0.keepsModelGrid, $0.cropsToBody) = (true, true, true)
    }
    #expect(report.stages == ["total_mr"])
    #expect(report.notes.contains { $0.contains("--body_seg") })
  }

  @Test func theModelsGridCanBeKept() throws {
    let place = try TaskWorkplace(for: "total")
    let file = place.folder("labels.nii.gz")
    try place.run("total", to: [.file(file)]) { ($0.fast, $0.keepsModelGrid) = (true, true) }
    let template = try NIfTITemplate(path: file)
    #expect(template.zooms == [3, 3, 3])
    let scan = SyntheticScan()
    let expected = zip([scan.shape.x, scan.shape.y, scan.shape.z], scan.spacing).map {
      Int((Double($0) * Double($1) / 3).rounded(.toNearestOrEven))
    }
    #expect(template.sizes == expected)
    #expect(try place.labels(file).foreground > 0)
  }

  @Test(arguments: 0...5) func everySplineOrderWorks(order: Int) throws {
    let place = try TaskWorkplace(for: "breasts")
    let labels = try place.segment("breasts") { $0.resamplingOrder = order }
    #expect(labels.foreground > 0)
    #expect((labels.difference(try place.segment("breasts")) == 0) == (order == 1))
  }

  @Test(arguments: TaskOptions.Resampling.allCases)
  func everyWayOfResamplingWorks(way: TaskOptions.Resampling) throws {
    let place = try TaskWorkplace(for: "liver_segments")
    let labels = try place.segment("liver_segments") { $0.resampling = way }
    #expect(labels.shape == place.shape && labels.foreground > 0)
    #expect((labels.difference(try place.segment("liver_segments")) == 0) == (way == .standard))
  }

  @Test(arguments: [("breasts", [""]), ("headneck_muscles", ["_part1", "_part2"])])
  func probabilitiesAreKept(task name: String, endings: [String]) throws {
    let place = try TaskWorkplace(for: name)
    try place.run(name, to: [.none]) { $0.probabilitiesPath = place.folder("prob.npz") }
    let parts = try place.catalogue.task(named: name).standard.parts
    for (part, ending) in zip(parts, endings) {
      let tensor = try NPZFile(path: place.folder("prob\(ending).npz")).tensor(named: "probabilities")
      #expect(tensor.shape.count == 4 && tensor.shape.first == part.classCount + 1)
      let values = tensor.floats()
      let voxels = values.count / (part.classCount + 1)
      let sums = (0..<voxels).map { voxel in
        stride(from: voxel, to: values.count, by: voxels).reduce(0) { $0 + values[$1] }
      }
      #expect(sums.allSatisfy { abs($0 - 1) < 0.01 })
      let properties = try PickleFile.read(place.folder("prob\(ending).pkl"))
      #expect(properties["spacing"] != nil && properties["sitk_stuff"] != nil)
    }
  }

  @Test func probabilitiesAreNumberedByTheirPlaceInTheTask() throws {
    let place = try TaskWorkplace(for: "total")
    let task = try place.catalogue.task(named: "total")
    let id = try #require(task.label(of: "rib_left_1"))
    let index = try #require(
      task.standard.parts.firstIndex { ($0.labelOffset + 1...$0.labelOffset + $0.classCount).contains(id) })
    try place.letRoughModel(of: task, findOnly: id)
    try place.run("total", to: [.none]) {
      ($0.subset, $0.probabilitiesPath) = (["rib_left_1"], place.folder("prob.npz"))
    }
    let names = try Path.list(place.folder.path).filter { $0.hasPrefix("prob") }
    #expect(index > 0 && names == ["prob_part\(index + 1).npz", "prob_part\(index + 1).pkl"])
  }

  /// A class whose file cannot be made, among those whose files can.
  @Test func masksAreWrittenAllOrNone() throws {
    let folder = try TemporaryFolder()
    let identity: [Double] = (0..<16).map { $0 % 5 == 0 ? 1 : 0 }
    let shape = Shape3D(2, 3, 4)
    let segmentation = TaskSegmentation(
      labels: Volume(shape: shape, repeating: 0), affine: Affine(rows: identity),
      classes: [TaskClass(id: 1, name: "liver"), TaskClass(id: 2, name: "no/where")])
    let failure = #expect(throws: Failure.self) {
      try SegmentationWriter(palette: [], derivesMasks: false).write(
        segmentation, to: .folder(folder("masks")), template: NIfTITemplate(sizes: [4, 3, 2], affine: identity),
        image: Volume(shape: shape, repeating: 0), steps: [])
    }
    #expect(failure?.kind == .cannotWrite && failure?.file == folder("masks/no/where.nii.gz"))
    #expect(try Path.list(folder("masks")) == [])
  }

  // MARK: Statistics

  @Test(arguments: ClassStatistics.Average.allCases, [false, true])
  func statisticsAreThoseOfTheVoxels(average: ClassStatistics.Average, isFast: Bool) throws {
    let place = try TaskWorkplace(for: "total")
    let file = place.folder("labels.nii.gz")
    var output = TaskRun.Output()
    (output.statistics.average, output.statistics.includesIncomplete) = (average, true)
    output.statistics.isExtended = true
    try place.run("total", to: [.file(file)], statistics: place.folder("s.json"), output: output) {
      // Of the fast variant, labels are measured where they were found.
      ($0.fast, $0.fastest, $0.keepsModelGrid) = (isFast, !isFast, false)
    }
    let json = try #require(JSON.read(place.folder("s.json")).object)
    let classes = try place.catalogue.task(named: "total").classes
    #expect(json.keys == classes.map(\.name))
    guard !isFast else { return }
    let labels = try place.labels(file)
    let scan = try NIfTIImage(path: place.image)
    let volume = scan.template.zooms.reduce(1, *)
    for item in classes {
      let found = labels.elements.indices.filter { Int(labels.elements[$0]) == item.id }
      let values = found.map { Double(scan.voxels.elements[$0]) }.sorted()
      let entry = try #require(json[item.name])
      func number(_ key: String) throws -> Double { try #require(entry[key]?.double, "\(item.name) \(key)") }
      #expect(entry["n_voxels"]?.int == found.count)
      #expect(abs(try number("volume") - Double(found.count) * volume) <= 1e-6 * Double(found.count))
      guard !found.isEmpty else {
        #expect(try number("intensity") == 0 && entry["bbox_vox"]?.isNull == true)
        continue
      }
      let mean = values.reduce(0, +) / Double(values.count)
      let median = (values[values.count / 2] + values[(values.count - 1) / 2]) / 2
      #expect(abs(try number("intensity") - (average == .mean ? mean : median)) < 1e-5)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
      #expect(abs(try number("intensity_std") - variance.squareRoot()) < 1e-5)
      #expect(try number("intensity_min") == values.first && number("intensity_max") == values.last)
      let x = found.map { $0 % labels.shape.x }
      #expect(
        abs(try #require(entry["centroid_vox"]?.doubles?.first) - Double(x.reduce(0, +)) / Double(x.count)) < 0.0051)
      #expect(entry["bbox_vox"]?.array?.first?.ints == [x.min() ?? -1, x.max() ?? -1])
    }
  }

  /// As in the reference, which stops there when a class is cut off by the border.
  @Test func classesAtTheBorderAreNotMeasured() throws {
    let place = try TaskWorkplace(for: "breasts")
    var output = TaskRun.Output()
    output.statistics.isExtended = true
    try place.run("breasts", to: [.none], statistics: place.folder("s.json"), output: output)
    #expect(
      try JSON.read(place.folder("s.json"))["breast"]?.text()
        == JSON(
          parsing: Array(
            #"""
            {"volume": 0.0, "intensity": 0.0, "n_voxels": 0, "intensity_std": 0.0, "intensity_min": 0.0,
             "intensity_max": 0.0, "centroid_vox": null, "bbox_vox": null}
            """#.utf8)
        ).text())
  }
}

extension TaskWorkplace {
  /// Replaces the model that says where a subset's classes are by one that sees the same class everywhere.
  func letRoughModel(of task: SegmentationTask, findOnly label: Int) throws {
    let model = try #require(task.subsetCrop)
    let part = try #require(catalogue.task(named: model.task).variant(model.variant).parts.first)
    var network = TinyNetwork(seed: 1, classes: part.classCount + 1)
    (network.favourites, network.favour) = ([label], 1000)
    try network.checkpoint().write(
      to: store.path(of: part, smallModel: false) + "/fold_0/checkpoint_final.pth", configuration: "3d_fullres")
  }

  /// Whether most voxels of two segmentations agree.
  func areAlike(_ one: Volume<UInt8>, _ other: Volume<UInt8>) -> Bool {
    one.shape == other.shape && one.difference(other) * 2 < one.elements.count
  }
}
