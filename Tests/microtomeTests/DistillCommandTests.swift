import Basics
import TestSupport
import Testing

@Suite struct DistillCommandTests {
  /// Options of all three commands that make no sense, and what the message must say.
  static let mistakes: [(options: [String], phrase: String)] = [
    (["-bs", "wider"], "wider"),
    (["-e", "0"], "-e is 0"),
    (["--batch-pool", "0"], "--batch-pool is 0"),
    (["-a", "2"], "alpha is 2.0"),
    (["-temp", "0"], "temperature"),
    (["-r", "0"], "reduction factor is 0"),
    (["--budget", "2 s/case", "-r", "4"], "--budget and -r exclude each other"),
    (["--budget", "soon"], "examples: \"2 s/case\""),
    (
      ["-d_device", "cpu", "-tf", "0", "1", "-tcp", "x.pth", "-rotate_folds", "-rotate_freq", "0"], "-rotate_freq is 0"
    ),
    (["--teacher_f", "0", "--start_fold", "0", "-c_continue", "-disable_mirroring"], "nnUNet_preprocessed is not set"),
  ]

  @Test(arguments: mistakes.indices) func mistakesAreNamed(_ index: Int) throws {
    let (options, phrase) = Self.mistakes[index]
    let environment: [String: String?] = ["nnUNet_preprocessed": nil, "nnUNet_results": nil, "nnUNet_raw": nil]
    for name in ["nnUNetv2_distillation_train", "nnUNetv2_resenc_distillation_train"] {
      let run = try Program.run(["-d", "Dataset001_None"] + options, name: name, environment: environment)
      #expect(run.status == 64 && run.errors.contains(phrase), "\(run.status) \(run.errors)")
    }
  }

  @Test func thereIsHelp() throws {
    let run = try Program.run(["distill", "--help"])
    #expect(run.status == 0)
    for option in ["--budget", "-tpl", "-spl", "-rotate_freq", "--use_da5", "--kd-mean"] {
      #expect(run.output.contains(option), "\(option)")
    }
  }
}
