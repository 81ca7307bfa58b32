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
    #expect(try place.predict(["-f", "0"]).status == 0)
    let expected = try place.labels("a.nii.gz")
    Path.removeTree(place.output)
    place.model = place.folder("onnx/\(names[0])")
    let predicted = try place.predict([])
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

  @Test func refusesBadOptions() throws {
    let cases: [([String], Int32)] = [
      (["--opset", "5"], 64), (["--int8"], 64), (["--calibration", place.input], 64), (["--format", "trt"], 64),
      (["--format", "openvino", "--average"], 64), (["-f", "7"], 66), (["-o", place.folder("one.onnx")], 64),
      (["--batch", "0"], 64), (["--precision", "fp16"], 64), (["--format", "tensorrt", "--open-sizes"], 64),
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
      #expect(try Path.list(place.folder("trt")) == [])
    }
    let path = place.folder("elsewhere.onnx")
    #expect(try export(["-o", path, "-f", "0", "--no-check"]).status == 0)
    try InstalledOnnxRuntime.pretendPreparation(of: path)
    place.model = path
    let run = try place.predict(["--engine", "onnxruntime"])
    #expect(run.status == 69 && run.complaints("prepared for TensorRT", "elsewhere.onnx") == 1, "\(run.errors)")
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
}
