import Basics
import TestSupport
import Testing

@Suite struct UsageTests {
  /// Options that make no sense, and what the message must say.
  static let mistakes: [(options: [String], phrase: String)] = [
    (["-num_parts", "2", "-part_id", "2"], "-part_id is 2"),
    (["-num_parts", "0"], "-num_parts"),
    (["-part_id", "-1"], "-part_id"),
    (["-step_size", "0"], "-step_size is 0"),
    (["-step_size", "2"], "-step_size is 2"),
    (["-step_size", "1e-300"], "-step_size"),
    (["-step_size", "nan"], "-step_size is nan"),
    (["-step_size", "wide"], "wide"),
    (["--threads", "0"], "--threads is 0"),
    (["--precision", "fp7"], "fp7"),
    (["--engine", "abacus"], "no engine called abacus"),
    (["--disable"], "--disable"),
    (["--nonsense"], "--nonsense"),
    (["-d", "1"], "-m"),
  ]

  @Test(arguments: mistakes.indices)
  func aMistakeOnTheCommandLineIsNamed(_ index: Int) throws {
    let (options, phrase) = Self.mistakes[index]
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    let engine = options.contains("--engine") ? [] : ["--engine", "reference"]
    let run = try place.predict(["-f", "0"] + engine + options)
    #expect(run.status == 64, "\(run.errors)")
    #expect(run.errors.contains(phrase), "\(run.errors)")
    #expect(!Path.exists(place.output))
  }

  /// The parser would take each letter for an option, and help for what is wanted.
  @Test func aWordWithAnHIsNoRequestForHelp() throws {
    for (name, arguments) in [
      ("nnUNetv2_train", ["4", "2d", "0", "--val", "-chk", "best"]),
      ("nnUNetv2_ensemble", ["-i", "a", "-o", "b", "-hx"]),
      ("microtome", ["evaluate", "a", "b", "-hx"]),
    ] {
      let run = try Program.run(arguments, name: "/usr/local/bin/" + name)
      #expect(run.status == 64 && run.errors.contains("unknown option") && run.output.isEmpty, "\(run.errors)")
    }
    #expect(try Program.run(["-h"], name: "/usr/local/bin/nnUNetv2_train").status == 0)
  }

  @Test func commandsOfTheFirstVersionAreToldApart() throws {
    let run = try Program.run(["-t", "4"], name: "/usr/local/bin/nnUNet_find_best_configuration")
    #expect(run.status == 64 && run.errors.contains("nnUNetv2_find_best_configuration"), "\(run.errors)")
  }

  @Test func anUnknownDeviceIsAnEngineFailure() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    for extra in [[], ["--explain"]] {
      let run = try place.predict(Workplace.quick + ["-device", "abacus"] + extra)
      #expect(run.status == 69)
      #expect(run.complaints("abacus", "CPU") == 1, "\(run.errors)")
    }
    // The networks cannot be compiled, while the first case is being read.
    let half = try place.predict(Workplace.quick + ["--precision", "bf16"])
    #expect(half.status == 69)
    #expect(half.complaints("bf16") == 1)
    let library = try place.predict(["-f", "0", "--engine-path", place.input])
    #expect(library.status == 69)
    #expect(library.complaints(place.input) == 1)
    #expect(place.results == [])
  }

  @Test func theResultsFolderIsSearchedAsNNUNetDoes() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    let results = place.folder("results")
    let name = "nnUNetTrainer__nnUNetPlans__3d_fullres"
    try Workplace.copy(place.model, to: "\(results)/Dataset004_Made/\(name)")
    for other in ["Dataset0041_Long", "Dataset007_One", "Dataset007_Two"] { try Path.makeFolder("\(results)/\(other)") }
    func run(_ dataset: String, _ configuration: String = "3d_fullres", results: String?) throws -> ProgramRun {
      try Program.run(
        ["-i", place.input, "-o", place.output, "-d", dataset, "-c", configuration] + Workplace.quick,
        name: "nnUNetv2_predict",
        environment: ["nnUNet_results": results, "nnUNet_raw": nil, "nnUNet_preprocessed": nil])
    }
    for missing in [nil, ""] {
      let unset = try run("4", results: missing)
      #expect(unset.status == 64)
      #expect(unset.complaints("nnUNet_results", "not set") == 1)
    }
    let unknown = try run("5", results: results)
    #expect(unknown.status == 64)
    #expect(unknown.complaints("number 5", results) == 1)
    let ambiguous = try run("7", results: results)
    #expect(ambiguous.status == 64)
    #expect(ambiguous.complaints("Dataset007_One", "Dataset007_Two") == 1)
    let nonsense = try run("liver", results: results)
    #expect(nonsense.status == 64)
    #expect(nonsense.complaints("liver") == 1)
    let untrained = try run("4", "2d", results: results)
    #expect(untrained.status == 66)
    #expect(untrained.complaints("2d", name) == 1)
    #expect(!Path.exists(place.output))
    for dataset in ["4", "004", "Dataset004_Made"] {
      let run = try run(dataset, results: results)
      #expect(run.status == 0, "\(run.errors)")
      #expect(place.results == ["a.nii.gz"])
    }
  }
}
