import Basics
import Evaluation
import TestSupport
import Testing

@Suite struct ExportCommandTests {
  private let place: Workplace

  init() throws { place = try Workplace(["a_0000.nii.gz": try TestImage.good, "b_0000.nii.gz": try TestImage.good]) }

  private func export(_ arguments: [String], environment: [String: String?] = [:]) throws -> ProgramRun {
    try Program.run(["export", "-m", place.model] + arguments, environment: environment)
  }

  /// From a model folder to labels of an ONNX file, which are those of the model.
  @Test(.enabled(if: !InstalledOnnxRuntime.fileEngines.isEmpty, InstalledOnnxRuntime.absence))
  func exportsAndPredicts() throws {
    let run = try export(["-o", place.folder("onnx"), "--images", place.input])
    #expect(run.status == 0 && run.errors == "", "\(run.errors)")
    let names = ["Dataset999_Made_3d_fullres_fold0.onnx", "Dataset999_Made_3d_fullres_fold1.onnx"]
    #expect(try Path.list(place.folder("onnx")).filter { $0.hasSuffix(".onnx") }.sorted() == names)
    #expect(names.allSatisfy { run.output.contains($0) } && run.output.contains("of the largest logit"))
    #expect(try place.predict(["-f", "0", "--precision", "fp32"]).status == 0)
    let expected = try place.labels("a.nii.gz")
    Path.removeTree(place.output)
    place.model = place.folder("onnx/\(names[0])")
    let predicted = try place.predict(["--precision", "fp32"])
    #expect(predicted.status == 0, "\(predicted.errors)")
    #expect(try place.labels("a.nii.gz").fractionDifferent(from: expected) < 1e-3)
    // The scalar engine runs no files.
    let scalar = try place.predict(["--engine", "reference"])
    #expect(scalar.status == 69 && scalar.complaints("reference", "onnx") == 1)
  }

  @Test(.enabled(if: InstalledOnnxRuntime.fileEngines.count == 2, InstalledOnnxRuntime.absence))
  func exportsEightBits() throws {
    let run = try export([
      "-o", place.folder("int8.onnx"), "-f", "0", "--int8", "--calibration", place.input, "--calibration-patches", "2",
    ])
    #expect(run.status == 0, "\(run.errors)")
    #expect(try Path.list(place.folder.path).filter { $0.hasPrefix("int8") }.sorted() == ["int8.json", "int8.onnx"])
    place.model = place.folder("int8.onnx")
    #expect(try place.predict(["--engine", "onnxruntime", "--disable_tta"]).status == 0)
    let empty = place.folder("empty")
    try Path.makeFolder(empty)
    place.model = Workplace.resource("model")
    let none = try export(["-o", place.folder("x.onnx"), "-f", "0", "--int8", "--calibration", empty])
    #expect(none.status == 66 && none.complaints("no cases") == 1 && !Path.exists(place.folder("x.onnx")))
  }

  /// Images that are missing, or that hold nothing to take ranges from.
  @Test func refusesCalibrationWithNothing() throws {
    let options = ["-o", place.folder("x.onnx"), "-f", "0", "--int8", "--calibration"]
    let missing = try export(options + [place.folder("nowhere")])
    #expect(missing.status == 66 && missing.complaints("nowhere", "does not exist") == 1, "\(missing.errors)")
    #expect(!missing.errors.contains("-i takes"))
    let constant = place.folder("constant")
    try Path.makeFolder(constant)
    try AtomicFile.write(TestImage(voxel: { _ in 3 }).gzipped, to: constant + "/a_0000.nii.gz")
    let run = try export(options + [constant])
    #expect(run.status == 65 && run.complaints("constant", "same value everywhere") == 1, "\(run.errors)")
  }

  /// The check says what it was made with: without other images those of the dataset, else noise.
  @Test(.enabled(if: !InstalledOnnxRuntime.fileEngines.isEmpty, InstalledOnnxRuntime.absence))
  func checksWithTheDatasetsImages() throws {
    let images = place.folder("raw/Dataset999_Made/imagesTr")
    try Workplace.copy(place.input, to: images)
    let run = try export(["-o", place.folder("a"), "-f", "0"], environment: ["nnUNet_raw": place.folder("raw")])
    #expect(run.status == 0 && run.output.contains("of \(images)"), "\(run.errors)")
    #expect(run.output.contains("(0.001 is allowed)") && run.output.contains("foreground Dice"))
    let noise = try export(["-o", place.folder("b"), "-f", "0"], environment: ["nnUNet_raw": nil])
    #expect(noise.status == 0 && noise.output.contains("of noise"), "\(noise.errors)")
  }

  /// What the file's name says goes, and networks for a fixed batch run where the batch can be changed.
  @Test func formatsAndBatches() throws {
    #expect(try export(["-o", place.folder("net.xml"), "-f", "0", "--no-check"]).status == 0)
    #expect(!Path.isFolder(place.folder("net.xml")) && Path.isFile(place.folder("net.bin")))
    #expect(try export(["-o", place.folder("two.onnx"), "-f", "0", "--batch", "2", "--no-check"]).status == 0)
    for (file, phrase) in [("net.xml", "OpenVINO"), ("two.onnx", "[2, 1, 16, 16, 16]")] {
      let seen = try Program.run(["inspect", place.folder(file)])
      #expect(seen.status == 0 && seen.output.contains(phrase), "\(seen.errors)")
      for word in ["input", "output", "Dataset999_Made", "16x16x16", "spacing", "classes"] {
        #expect(seen.output.contains(word), "\(file): \(word)")
      }
    }
    place.model = place.folder("two.onnx")
    let choosing = try place.predict(["-f", "3", "-chk", "x.pth"])
    #expect(choosing.status == 64 && choosing.complaints("-f and -chk", "two.onnx") == 1, "\(choosing.errors)")
    guard InstalledOnnxRuntime.engine != nil else { return }
    let run = try place.predict(["--engine", "onnxruntime"])
    #expect(run.status == 69 && run.complaints("2 patches at a time", "--batch", "openvino") == 1, "\(run.errors)")
  }

  @Test func refusesBadOptions() throws {
    let cases: [([String], Int32)] = [
      (["--opset", "5"], 64), (["--int8"], 64), (["--calibration", place.input], 64), (["--format", "trt"], 64),
      (["--format", "openvino", "--average"], 64), (["-f", "7"], 66), (["-o", place.folder("one.onnx")], 64),
      (["--batch", "0"], 64), (["--precision", "fp16"], 64), (["--format", "tensorrt", "--open-sizes"], 64),
      (["--calibration-rule", "extremes"], 64), (["--exact-results"], 64), (["--calibration-patches", "3"], 64),
      (["--format", "onnx", "-o", place.folder("x.xml")], 64),
      (["--format", "openvino", "-o", place.folder("x.onnx")], 64),
    ]
    for (arguments, status) in cases {
      let output = arguments.contains("-o") ? [] : ["-o", place.folder("out")]
      let run = try export(output + arguments + ["--no-check"])
      #expect(run.status == status, "\(arguments): \(run.errors)")
    }
    #expect((try? Path.list(place.folder("out")).filter { !$0.hasPrefix(".") }) ?? [] == [])
  }

  /// Without TensorRT nothing is prepared for it, whether it is to be checked or not; and what was prepared elsewhere is not
  /// run on a processor.
  @Test(
    .enabled(
      if: InstalledOnnxRuntime.engine != nil && !InstalledOnnxRuntime.hasTensorRT, InstalledOnnxRuntime.absence))
  func needsTensorRTForIt() throws {
    for more in [[], ["--no-check"]] {
      let run = try export(["-o", place.folder("trt"), "-f", "0", "--format", "tensorrt"] + more)
      #expect(run.status == 69 && run.complaints("TENSORRT", "onnxruntime-gpu") == 1, "\(run.errors)")
      #expect(!Path.exists(place.folder("trt")))
    }
    let path = place.folder("elsewhere.onnx")
    #expect(try export(["-o", path, "-f", "0", "--no-check"]).status == 0)
    try InstalledOnnxRuntime.pretendPreparation(of: path)
    place.model = path
    let run = try place.predict(["--engine", "onnxruntime"])
    #expect(run.status == 69 && run.complaints("prepared for TensorRT", "elsewhere.onnx") == 1, "\(run.errors)")
  }

  /// It says nothing about engines, and leaves nothing; folds that are named twice are one.
  @Test(.enabled(if: InstalledOnnxRuntime.engine != nil, InstalledOnnxRuntime.absence))
  func differenceIsADefect() throws {
    let path = place.folder("new/net.onnx")
    let run = try export(["-o", path, "-f", "0", "0", "--tolerance=-1"])
    #expect(run.status == 70 && run.complaints(path, "answers differently") == 1, "\(run.errors)")
    #expect(!Path.exists(place.folder("new")))
  }

  /// Without any engine the user is told how to get one, or how to do without.
  @Test func saysThatNoEngineIsThere() throws {
    let bare: [String: String?] = [
      "MICROTOME_HOME": place.folder("home"), "HOME": place.folder("home"), "PATH": "/nowhere", "VIRTUAL_ENV": nil,
      "MICROTOME_ONNXRUNTIME": nil, "MICROTOME_OPENVINO": nil, "CONDA_PREFIX": nil, "PYENV_ROOT": nil,
    ]
    let run = try export(["-o", place.folder("out"), "-f", "0"], environment: bare)
    #expect(run.status == 69 && run.complaints("--no-check", "engines install onnxruntime") == 1, "\(run.errors)")
    let unchecked = try export(["-o", place.folder("out"), "-f", "0", "--no-check"], environment: bare)
    #expect(unchecked.status == 0 && unchecked.output.contains("not checked"))
    let missing = try Program.run(
      ["predict", "-i", place.input, "-o", place.output, "-m", place.model, "-f", "0", "--engine", "onnxruntime"],
      environment: bare)
    #expect(missing.status == 69 && missing.complaints("ONNX Runtime is not installed") == 1)
    let truncated = place.folder("broken.onnx")
    try AtomicFile.write([8, 8, 18, 200], to: truncated)
    place.model = truncated
    #expect(try place.predict(["--engine", "reference"]).status == 65)
  }

  /// FastnnUNet's name: only students are exported, and only with the reduction they were trained with.
  @Test func answersToFastnnUNetsName() throws {
    let trained = place.folder("results/Dataset999_Made/nnUNetDistillationTrainer__nnUNetPlans__3d_fullres")
    try Workplace.copy(place.model, to: trained)
    let run = try Program.run(
      ["-d", "999", "-f", "0", "-r", "2"], name: "nnUNetv2_distillation_export_onnx",
      environment: ["nnUNet_results": place.folder("results"), "nnUNet_raw": nil, "nnUNet_preprocessed": nil])
    #expect(run.status == 65 && run.complaints("feature_reduction_factor", "microtome export") == 1, "\(run.errors)")
  }

  /// From a student's training to FastnnUNet's exporters.
  @Test func exportsStudentsThatItTrains() throws {
    let trained = try TrainingPlace()
    let training = try trained.run([
      "distill", "-d", "8", "-spl", "tinyPlans", "-a", "0", "-r", "2", "-disable_mirroring", "-e", "1",
      "--iterations-per-epoch", "1", "--validation-iterations", "1", "--engine", "reference", "--validation-engine",
      "reference",
    ])
    try #require(training.status == 0, "\(training.errors)")
    func export(_ options: [String], name: String = "nnUNetv2_distillation_export_onnx") throws -> ProgramRun {
      try Program.run(
        ["-d", "8", "-spl", "tinyPlans", "--no-check"] + options, name: name, environment: trained.environment)
    }
    let folder = "\(trained.results)/nnUNetDistillationTrainer__tinyPlans__3d_fullres/fold_0/exported_models"
    let plain = try export(["-b", "4"])
    #expect(plain.status == 0 && Path.isFile(folder + "/model_fold0_2x.onnx"), "\(plain.errors)")
    #expect(try Program.run(["inspect", folder + "/model_fold0_2x.onnx"]).output.contains("[4, 1, any, any, any]"))
    let residual = try export(["-b", "2"], name: "nnUNetv2_resenc_distillation_export_onnx")
    #expect(residual.status == 0, "\(residual.errors)")
    #expect(Path.isFile(folder + "/unet_distillation_fold0_batch2_r2.onnx"))
    let other = try export(["-r", "4"])
    #expect(other.status == 64 && other.complaints("give -r 2") == 1, "\(other.errors)")
    for options in [["-nn", "-b", "4"], ["-o", "x.xml"], ["-bs", "reduce"]] {
      #expect(try export(options).status == 64, "\(options)")
    }
  }
}
