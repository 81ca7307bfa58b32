import Basics
import Imaging
import TestSupport
import Testing

/// Scripts written for nnU-Net's commands must go on working.
@Suite struct CompatibilityTests {
  /// Runs `nnUNetv2_predict_from_modelfolder` under its own name.
  private func fromModelFolder(_ place: Workplace, _ options: [String], output: String = "labels") throws -> ProgramRun
  {
    try Program.run(
      ["-i", place.input, "-o", place.folder(output), "-m", place.model, "--engine", "reference"] + options,
      name: "/usr/local/bin/nnUNetv2_predict_from_modelfolder")
  }

  @Test func everySpellingOfAnOptionGivesTheSameLabels() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    func labels(_ run: ProgramRun, _ output: String) throws -> [UInt8] {
      #expect(run.status == 0, "\(run.errors)")
      return try Path.read(place.folder("\(output)/a.nii.gz"))
    }
    let expected = try labels(place.predict(["-f", "0", "1", "--disable_tta", "--engine", "reference"]), "labels")
    let variants = [
      ["-f", "0", "1", "--disable_t"], ["--fold", "0", "1", "--disable_tta"],
      ["-f", "1", "0", "--disable_tta", "--verb"],
      ["-f", "0", "1", "--disable_tta", "-chk", "checkpoint_final.pth", "-npp", "1", "-nps", "1"],
      ["-f", "0", "1", "--disable_tta", "--checkpoint", "checkpoint_final.pth", "--disable_p", "--not"],
      ["-f", "0", "1", "--disable_tta", "-device", "cpu", "-step_size", "0.5"],
      ["--device", "cpu", "--disable_tta", "-f", "0", "1"],
    ]
    for (index, options) in variants.enumerated() {
      #expect(try labels(fromModelFolder(place, options, output: "\(index)"), "\(index)") == expected, "\(options)")
    }
    let path = try Program.run([
      "predict", "-i", place.input, "-o", place.folder("path"), "--model_path", place.model, "--engine", "reference",
      "-f", "0", "1", "--disable_tta",
    ])
    #expect(try labels(path, "path") == expected)
    // Other folds and mirroring do make a difference.
    #expect(try labels(fromModelFolder(place, ["-f", "0", "--disable_tta"], output: "one"), "one") != expected)
    #expect(try labels(fromModelFolder(place, ["-f", "0", "1"], output: "mirrored"), "mirrored") != expected)
  }

  @Test(arguments: ["--save_probabilities", "--save", "--use_softmax"])
  func probabilitiesAreWrittenForEnsembling(_ option: String) throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage(shape: Shape3D(8, 9, 10)).gzipped])
    let run = try place.predict(Workplace.quick + [option])
    #expect(run.status == 0)
    #expect(place.results == ["a.nii.gz", "a.npz", "a.pkl"])
  }

  @Test(arguments: ["--continue_prediction", "--c", "--cont"])
  func finishedCasesAreLeftOut(_ option: String) throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good, "b_0000.nii.gz": TestImage.good])
    try Path.makeFolder(place.output)
    try AtomicFile.write([1, 2, 3], to: place.output + "/a.nii.gz")
    let run = try place.predict(Workplace.quick + [option])
    #expect(run.status == 0)
    #expect(run.output.contains("a: done before"))
    #expect(try Path.read(place.output + "/a.nii.gz") == [1, 2, 3])
    #expect(place.results == ["a.nii.gz", "b.nii.gz"])
    // Probabilities are asked for, so labels alone are not enough.
    let more = try place.predict(Workplace.quick + [option, "--save_probabilities"])
    #expect(more.status == 0)
    #expect(place.results.count == 6)
    #expect(try Path.read(place.output + "/a.nii.gz") != [1, 2, 3])
    // Without the option everything is done again.
    try AtomicFile.write([1, 2, 3], to: place.output + "/a.nii.gz")
    _ = try place.predict()
    #expect(try Path.read(place.output + "/a.nii.gz") != [1, 2, 3])
  }

  @Test func partsCoverEveryCaseOnce() throws {
    let place = try Workplace()
    let names = (0..<5).map { "case\($0)" }
    for name in names { try place.add("\(name)_0000.nii.gz", TestImage(shape: Shape3D(4, 4, 4)).gzipped) }
    var seen: [String] = []
    for part in 0..<3 {
      let output = place.folder("part\(part)")
      let run = try Program.run(
        ["predict", "-i", place.input, "-o", output, "-m", place.model, "-num_parts", "3", "-part_id", "\(part)"]
          + Workplace.quick)
      #expect(run.status == 0)
      let labels = try Path.list(output).filter { $0.hasSuffix(".nii.gz") }
      #expect(labels == names.enumerated().filter { $0.offset % 3 == part }.map { $0.element + ".nii.gz" })
      seen += labels
    }
    #expect(seen.sorted() == names.map { $0 + ".nii.gz" })
  }

  @Test func aFolderMayTakeTheLabelsOfItsImages() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good, "b_0000.nii.gz": TestImage.good])
    func predict(_ options: String...) throws -> ProgramRun {
      try Program.run(
        ["predict", "-i", place.input, "-o", place.input, "-m", place.model] + Workplace.quick + options)
    }
    #expect(try predict().status == 0)
    let again = try predict("--continue_prediction")
    #expect(again.status == 0 && again.output.contains("b: done before"), "\(again.errors)")
    // A name that is wrong is complained about by the first part.
    try place.add("c.nii.gz", TestImage.good)
    for part in 0..<2 {
      let run = try predict("--continue_prediction", "-num_parts", "2", "-part_id", "\(part)")
      #expect(run.status == (part == 0 ? 65 : 0) && run.complaints("c.nii.gz", "channel suffix") == 1 - part)
    }
  }

  /// `FastSegmentator nnunet` averages nothing and takes every file for a case.
  @Test func fastSegmentatorsDefaultsAreItsOwn() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good, "b.nii.gz": TestImage(seed: 2).gzipped])
    try place.copyModel()
    try Workplace.copy(place.model + "/fold_1", to: place.model + "/fold_all")
    let run = try Program.run(
      [
        "nnunet", "--input_path", place.input, "--output_path", place.folder("fast"), "--model_path", place.model,
        "--use_softmax", "--device", "cuda", "--engine", "reference",
      ], name: "/usr/local/bin/FastSegmentator")
    #expect(run.status == 0, "\(run.errors)")
    #expect(
      try Path.list(place.folder("fast")).filter { !$0.hasSuffix(".json") } == ["a.nii.gz", "b.nii.gz"])
    _ = try place.predict(["-f", "all", "--disable_tta", "--engine", "reference"])
    #expect(try Path.read(place.folder("fast/a.nii.gz")) == Path.read(place.output + "/a.nii.gz"))
  }

  @Test func oneFileIsOneCase() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good, "b_0000.nii.gz": [], "plain.nii.gz": TestImage.good])
    for (name, labels) in [("a_0000.nii.gz", "a.nii.gz"), ("plain.nii.gz", "plain.nii.gz")] {
      let run = try Program.run(
        ["predict", "-i", Path.join(place.input, name), "-o", place.folder(name), "-m", place.model] + Workplace.quick)
      #expect(run.status == 0, "\(run.errors)")
      #expect(try Path.list(place.folder(name)).filter { $0.hasSuffix(".gz") } == [labels])
    }
  }

  @Test func anEmptyFolderIsNoFailureForNNUNet() throws {
    let place = try Workplace()
    let run = try fromModelFolder(place, ["-f", "0"])
    #expect(run.status == 0)
    #expect(run.complaints("warning", "no cases") == 1)
    #expect(place.results == [])
    #expect(Path.exists(place.output + "/plans.json"))
  }

  /// The options of nnU-Net 2.8's commands, then those only this program has.
  static let shared = [
    "-i", "-o", "-f", "-step_size", "--disable_tta", "--save_probabilities", "--continue_prediction", "--c", "-chk",
    "-npp", "-nps", "-prev_stage_predictions", "-device", "--disable_progress_bar", "--verbose", "--not_on_device",
    "-h",
    "--help", "--engine", "--engine-path", "--precision", "--threads", "--no-cache", "--device", "--fold",
    "--checkpoint",
    "--use_softmax",
  ]

  @Test(arguments: [
    ("nnUNetv2_predict", [], ["-d", "-c", "-p", "-tr", "-num_parts", "-part_id"]),
    ("nnUNetv2_predict_from_modelfolder", [], ["-m", "-num_parts", "-part_id"]),
    (
      "microtome", ["predict"],
      [
        "-m", "--model_path", "--model-config", "-d", "-c", "-p", "-tr", "-num_parts", "-part_id", "--explain",
        "--version",
      ]
    ),
  ])
  func helpListsEveryOption(name: String, command: [String], own: [String]) throws {
    let run = try Program.run(command + ["--help"], name: name)
    #expect(run.status == 0)
    let listed = run.output.split(separator: "\n").filter { $0.hasPrefix("  -") }.flatMap { line in
      // "  -f, --fold <fold>       The folds": the names end where two blanks or a value begin.
      line.dropFirst(2).split(separator: " ").prefix { $0.hasPrefix("-") }
        .map { String($0.hasSuffix(",") ? $0.dropLast() : $0) }
    }
    #expect(listed.sorted() == (Self.shared + own).sorted())
  }
}
