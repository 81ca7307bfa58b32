import Basics
import Checkpoints
import Evaluation
import ImageFormats
import Imaging
import TestSupport
import Testing

/// Evaluating, selecting and exchanging models from the command line.
@Suite struct SelectionCommandTests {
  /// A results folder with two models, whose two folds have predicted two cases each, and the labels to judge them by.
  final class ModelTree {
    let folder: TemporaryFolder
    let shape = Shape3D(6, 8, 9)
    let cases = ["a", "b", "c", "d"]
    let models = ["nnUNetTrainer__nnUNetPlans__2d", "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres"]
    var dataset: String { folder("results/Dataset300_Made") }
    var labels: String { folder("raw/Dataset300_Made/labelsTr") }
    /// Of each model and case, (3, Z, Y, X).
    private(set) var probabilities: [String: [Float]] = [:]
    private let geometry = SourceGeometry.itk(
      dimensions: 3, spacing: [1, 1, 2], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1],
      originalOrientation: nil)

    var environment: [String: String?] {
      [
        "nnUNet_results": folder("results"), "nnUNet_raw": folder("raw"), "nnUNet_preprocessed": folder("preprocessed"),
      ]
    }

    private static let datasetJSON = """
      {"channel_names": {"0": "MR"}, "labels": {"background": 0, "one": 1, "two": 2}, "numTraining": 4,
       "file_ending": ".nii.gz"}
      """
    private static let plansJSON = """
      {"dataset_name": "Dataset300_Made", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
       "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "configurations": {
         "2d": {"patch_size": [8, 8], "spacing": [1, 1], "normalization_schemes": ["ZScoreNormalization"]},
         "3d_lowres": {"patch_size": [8, 8, 8], "spacing": [1, 1, 1],
           "normalization_schemes": ["ZScoreNormalization"]},
         "3d_cascade_fullres": {"inherits_from": "3d_lowres", "previous_stage": "3d_lowres"}}}
      """

    init() throws {
      folder = try TemporaryFolder()
      var generator = SeededGenerator(seed: 11)
      try Path.makeFolder(labels)
      try Path.makeFolder(folder("preprocessed/Dataset300_Made/gt_segmentations"))
      var truth: [String: [UInt8]] = [:]
      for name in cases {
        let values = (0..<shape.count).map { index in UInt8((index / 40 + Int(generator.next() % 2)) % 3) }
        truth[name] = values
        for target in [labels, folder("preprocessed/Dataset300_Made/gt_segmentations")] {
          try write(values, to: "\(target)/\(name).nii.gz")
        }
      }
      for (number, model) in models.enumerated() {
        for (fold, members) in [["a", "c"], ["b", "d"]].enumerated() {
          let path = "\(dataset)/\(model)/fold_\(fold)/validation"
          try Path.makeFolder(path)
          try AtomicFile.write([1, 2, UInt8(fold)], to: "\(dataset)/\(model)/fold_\(fold)/checkpoint_final.pth")
          for name in members {
            let values = (0..<3 * shape.count).map { index in
              let isTrue = truth[name]?[index % shape.count] == UInt8(index / shape.count)
              return Float(generator.next() % 1000) / Float(1000 - 300 * number) + (isTrue ? 0.5 : 0)
            }
            probabilities["\(model)/\(name)"] = values
            try write(Self.winners(values, count: shape.count), to: "\(path)/\(name).nii.gz")
            let archive = try NPZWriter(path: "\(path)/\(name).npz")
            try archive.begin("probabilities", shape: [3, shape.z, shape.y, shape.x])
            try values.withUnsafeBufferPointer { try archive.append($0) }
            try archive.end()
            try archive.commit()
            let grid = PickleDictionary([
              ("spacing", .tuple([.float(1), .float(1), .float(2)])),
              ("origin", .tuple([.float(0), .float(0), .float(0)])),
              ("direction", .tuple([1, 0, 0, 0, 1, 0, 0, 0, 1].map(PickleValue.float))),
            ])
            try PickleWriter.write(
              .dictionary(PickleDictionary([("sitk_stuff", .dictionary(grid))])), to: "\(path)/\(name).pkl")
          }
        }
        try AtomicFile.write(Array(Self.datasetJSON.utf8), to: "\(dataset)/\(model)/dataset.json")
        try AtomicFile.write(Array(Self.plansJSON.utf8), to: "\(dataset)/\(model)/plans.json")
      }
    }

    static func winners(_ values: [Float], count: Int) -> [UInt8] {
      (0..<count).map { index in
        var best = 0
        for channel in 1..<3 where values[channel * count + index] > values[best * count + index] { best = channel }
        return UInt8(best)
      }
    }

    private func write(_ values: [UInt8], to path: String) throws {
      try ImageReader.simpleITK.write(.uint8(Volume(shape: shape, elements: values)), as: path, like: geometry)
    }

    func run(_ tool: String, _ arguments: [String]) throws -> ProgramRun {
      try Program.run(arguments, name: "/usr/local/bin/\(tool)", environment: environment)
    }
  }

  @Test func theBestConfigurationIsFoundAndExplained() throws {
    let tree = try ModelTree()
    let run = try tree.run(
      "nnUNetv2_find_best_configuration", ["300", "-c", "2d", "3d_cascade_fullres", "3d_fullres", "-f", "0", "1"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("no configuration 3d_fullres"))
    let name = "ensemble___" + tree.models.joined(separator: "___") + "___0_1"
    let information = try JSON.read(tree.dataset + "/inference_information.json")
    #expect(information["all_results"]?.object?.keys.sorted() == (tree.models + [name]).sorted())
    #expect(information["folds"]?.ints == [0, 1])
    #expect(information["considered_models"]?.array?.count == 2)
    let instructions = String(decoding: try Path.read(tree.dataset + "/inference_instructions.txt"), as: UTF8.self)
    // Two independent votes are better than one; the cascade's first stage must not be forgotten.
    #expect(instructions.contains("-c 3d_lowres -p nnUNetPlans\n"))
    #expect(instructions.contains("-prev_stage_predictions OUTPUT_FOLDER_PREV_STAGE_2 --save_probabilities"))
    #expect(instructions.contains("nnUNetv2_ensemble -i OUTPUT_FOLDER_MODEL_1 OUTPUT_FOLDER_MODEL_2 -o OUTPUT_FOLDER"))
    for file in ["summary.json", "postprocessing.pkl", "postprocessing.json", "postprocessed/summary.json"] {
      #expect(Path.isFile("\(tree.dataset)/ensembles/\(name)/\(file)"), "\(file)")
    }
    for name in tree.cases {
      let (first, second) = (
        tree.probabilities["\(tree.models[0])/\(name)"] ?? [], tree.probabilities["\(tree.models[1])/\(name)"] ?? []
      )
      let expected = ModelTree.winners(zip(first, second).map { ($0 + $1) / 2 }, count: tree.shape.count)
      let path = "\(tree.dataset)/ensembles/ensemble___\(tree.models[0])___\(tree.models[1])___0_1/\(name).nii.gz"
      let labels = try ImageReader.simpleITK.readLabels(path).labels
      let whole = LabelMap.uint8(Volume(shape: tree.shape, elements: expected))
      #expect(try labels.fractionDifferent(from: whole) == 0)
    }
  }

  @Test func missingFoldsAreNamed() throws {
    let tree = try ModelTree()
    let run = try tree.run("nnUNetv2_accumulate_crossval_results", ["300", "-c", "2d"])
    #expect(run.status == 66)
    #expect(run.errors.contains("fold_2/validation"))
    let done = try tree.run("nnUNetv2_accumulate_crossval_results", ["300", "-c", "2d", "-f", "0", "1"])
    #expect(done.status == 0, "\(done.errors)")
    let folder = "\(tree.dataset)/\(tree.models[0])/crossval_results_folds_0_1"
    #expect(
      try Path.list(folder)
        == ["a.nii.gz", "b.nii.gz", "c.nii.gz", "d.nii.gz", "dataset.json", "plans.json", "summary.json"])
  }

  /// A summary of fewer cases than the folds have is made again.
  @Test func resultsThatLackACaseAreMadeAgain() throws {
    let tree = try ModelTree()
    let folder = "\(tree.dataset)/\(tree.models[0])/crossval_results_folds_0_1"
    let arguments = ["300", "-c", "2d", "-f", "0", "1", "--disable_ensembling"]
    #expect(try tree.run("nnUNetv2_find_best_configuration", arguments).status == 0)
    let whole = try JSON.read(folder + "/summary.json")
    Path.removeTree(folder + "/b.nii.gz")
    try AtomicFile.write(Array("{}".utf8), to: folder + "/summary.json")
    let again = try tree.run("nnUNetv2_find_best_configuration", arguments + ["--no_overwrite"])
    #expect(again.status == 0, "\(again.errors)")
    #expect(try JSON.read(folder + "/summary.json")["mean"] == whole["mean"])
  }

  @Test func labelsOutOfRangeAreNamed() throws {
    let folder = try TemporaryFolder()
    let shape = Shape3D(2, 3, 4)
    let marks = (0..<shape.count).map { Float($0) - 1 }
    try AtomicFile.write(TestImage(shape: shape, values: marks).gzipped, to: folder("a.nii.gz"))
    let run = try Program.run(["evaluate", folder.path, folder.path, "-l", "1", "-o", folder("s.json")])
    #expect(run.status == 65 && run.errors.contains("holds -1.0, which is no label"), "\(run.errors)")
  }

  @Test func overlaysOfRawAndPreprocessedCases() throws {
    let place = try TrainingPlace(cases: 2)
    let (raw, preprocessed) = (place.folder("raw_pictures"), place.folder("pictures"))
    let first = try place.run(["overlays", "-d", "8", "-o", preprocessed, "-p", "tinyPlans"])
    #expect(first.status == 0, "\(first.errors)")
    // Raw images may lie anywhere, as long as dataset.json says where.
    try Path.makeFolder(place.folder("moved"))
    for part in ["imagesTr", "labelsTr"] {
      for name in try Path.list("\(place.raw)/\(part)") {
        try AtomicFile.write(Path.read("\(place.raw)/\(part)/\(name)"), to: place.folder("moved/\(name)"))
      }
      Path.removeTree("\(place.raw)/\(part)")
    }
    let entries = [0, 1].map { index in
      let stem = place.folder("moved/box\(index)")
      return #""box\#(index)": {"images": ["\#(stem)_0000.nii.gz"], "label": "\#(stem).nii.gz"}"#
    }
    let listed = #""dataset": {\#(entries.joined(separator: ", "))}, "labels""#
    let description = TrainingPlace.description(2).replacing(#""labels""#, with: listed)
    try place.write(description, to: "\(place.raw)/dataset.json")
    let second = try place.run(["overlays", "-d", "8", "-o", raw, "--use_raw"])
    #expect(second.status == 0, "\(second.errors)")
    for name in ["box0.png", "box1.png"] {
      // Spacing is 1 mm, and nothing is cropped: both see the same, but for rounding to 8 bits.
      let (one, other) = try (
        ImageReader.naturalImage2D.read(["\(raw)/\(name)"]).voxels,
        ImageReader.naturalImage2D.read(["\(preprocessed)/\(name)"]).voxels
      )
      #expect(one.channels == 3 && one.shape == other.shape && Set(one.elements).count > 20)
      #expect(zip(one.elements, other.elements).allSatisfy { abs($0 - $1) <= 1 })
    }
  }

  @Test func evaluationTakesLabelsOrDescriptions() throws {
    let tree = try ModelTree()
    let predictions = "\(tree.dataset)/\(tree.models[0])/fold_0/validation"
    let strict = try Program.run(["evaluate", tree.labels, predictions, "-l", "1", "2", "-o", tree.folder("s.json")])
    #expect(strict.status == 66)
    #expect(strict.errors.contains("--chill"))
    let run = try Program.run(
      ["evaluate", tree.labels, predictions, "-l", "1", "2", "-o", tree.folder("s.json"), "--chill", "--surfaces"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("HD95"))
    let summary = try JSON.read(tree.folder("s.json"))
    #expect(summary["metric_per_case"]?.array?.count == 2)
    #expect(summary["mean"]?["1"]?["NSD"]?.double ?? -1 > 0)
    let model = "\(tree.dataset)/\(tree.models[0])"
    let described = try tree.run(
      "nnUNetv2_evaluate_folder",
      [
        tree.labels, predictions, "-djfile", model + "/dataset.json", "-pfile", model + "/plans.json", "-o",
        tree.folder("d.json"), "--chi",
      ])
    #expect(described.status == 0, "\(described.errors)")
    #expect(try JSON.read(tree.folder("d.json"))["mean"]?["1"]?["Dice"] == summary["mean"]?["1"]?["Dice"])
    #expect(
      try Program.run(["evaluate", tree.labels, predictions, "-l", "1", "-djfile", "x", "-pfile", "y"]).status == 64)
  }

  @Test func exportedModelsCanBeInstalled() throws {
    let tree = try ModelTree()
    let archive = tree.folder("models.zip")
    let strict = try tree.run("nnUNetv2_export_model_to_zip", ["-d", "300", "-o", archive, "-c", "2d"])
    #expect(strict.status == 66)
    #expect(!Path.exists(archive))
    let run = try tree.run("nnUNetv2_export_model_to_zip", ["-d", "300", "-o", archive, "-c", "2d", "-f", "0", "1"])
    #expect(run.status == 0, "\(run.errors)")
    let names = try ZipArchive(path: archive).members.map(\.name)
    let model = "Dataset300_Made/" + tree.models[0]
    #expect(
      names.sorted() == [
        "\(model)/dataset.json", "\(model)/fold_0/checkpoint_final.pth", "\(model)/fold_1/checkpoint_final.pth",
        "\(model)/plans.json",
      ])
    let target = tree.folder("elsewhere")
    let installed = try Program.run(
      [archive], name: "/usr/bin/nnUNetv2_install_pretrained_model_from_zip", environment: ["nnUNet_results": target])
    #expect(installed.status == 0, "\(installed.errors)")
    for name in names {
      #expect(try Path.read(Path.join(target, name)) == Path.read(Path.join(tree.folder("results"), name)))
    }
    #expect(try Path.list(target) == ["Dataset300_Made"])
  }

  @Test func predictionsAreExportedOnRequest() throws {
    let tree = try ModelTree()
    let archive = tree.folder("models.zip")
    let both = ["-c", "2d", "3d_cascade_fullres", "-f", "0", "1"]
    #expect(try tree.run("nnUNetv2_find_best_configuration", ["300"] + both).status == 0)
    let run = try tree.run("nnUNetv2_export_model_to_zip", ["-d", "300", "-o", archive, "--exp_cv_preds"] + both)
    #expect(run.status == 0, "\(run.errors)")
    let names = Set(try ZipArchive(path: archive).members.map(\.name))
    let ensemble = "ensembles/ensemble___\(tree.models[0])___\(tree.models[1])___0_1"
    for folder in ["\(tree.models[0])/crossval_results_folds_0_1", ensemble] {
      for file in ["a.nii.gz", "d.nii.gz", "plans.json", "dataset.json", "summary.json"] {
        #expect(names.contains("Dataset300_Made/\(folder)/\(file)"))
      }
    }
  }

  /// Archives that others have packed: the model's folder alone, or with folders around it.
  @Test(arguments: ["nnUNetTrainer__nnUNetPlans__2d/", "some/where/Dataset300_Made/nnUNetTrainer__nnUNetPlans__2d/"])
  func archivesMayBeginElsewhere(prefix: String) throws {
    let tree = try ModelTree()
    let archive = tree.folder("models.zip")
    let zip = try ZipWriter(path: archive)
    for name in ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"] {
      try zip.add(prefix + name, Path.read("\(tree.dataset)/\(tree.models[0])/\(name)"))
    }
    try zip.commit()
    let target = tree.folder("elsewhere")
    let run = try Program.run(["install-model", archive], environment: ["nnUNet_results": target])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("\(target)/Dataset300_Made/\(tree.models[0])"))
    #expect(Path.isFile("\(target)/Dataset300_Made/\(tree.models[0])/fold_0/checkpoint_final.pth"))
  }

  @Test func archivesWithoutModelsChangeNothing() throws {
    let place = try TemporaryFolder()
    let zip = try ZipWriter(path: place("a.zip"))
    try zip.add("readme.txt", Array("hello".utf8))
    try zip.commit()
    let run = try Program.run(["install-model", place("a.zip")], environment: ["nnUNet_results": place("results")])
    #expect(run.status == 65)
    #expect(try Path.list(place("results")).isEmpty)
  }
}
