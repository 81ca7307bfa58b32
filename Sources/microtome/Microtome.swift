import ArgumentParser
import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The program. Started under the name of a tool it replaces (through a symbolic link), it behaves as that tool.
@main
struct Microtome: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "microtome",
    abstract: "Segments medical images with trained nnU-Net models, fast.",
    discussion: """
      Exit codes: 0 success, 64 usage, 65 bad input, 66 missing input, 69 no usable engine, 70 internal failure, \
      73 output cannot be written, 130 interrupted. In a folder run a bad case does not stop the others; the exit \
      code is that of the first case that failed.
      """,
    version: "0.1.0",
    subcommands: [
      Train.self, Distill.self,
      Predict.self, TotalSegment.self, Inspect.self, Compare.self, DrawOverlay.self, EnginesCommand.self,
      WeightsCommand.self, InfoCommand.self, LicenseCommand.self,
      Evaluate.self, Accumulate.self, FindBestConfiguration.self, EnsembleFolders.self, Postprocess.self,
      PlotOverlays.self, ExportModel.self, InstallModel.self, Export.self,
      PlanAndPreprocessCommand.self, FingerprintCommand.self, PlanCommand.self, PreprocessCommand.self,
      MovePlansCommand.self, ConvertCommand.self, FastnnUNetCommand.self, TasksCommand.self,
    ])

  static func main() {
    // Writing to a closed pipe is an error to be handled, not a reason to die in the middle of a case.
    signal(SIGPIPE, SIG_IGN)
    // So is a file that grows beyond the limit of the user's shell.
    signal(SIGXFSZ, SIG_IGN)
    let name = Path.split(CommandLine.arguments.first ?? "microtome").name
    if let failure = LegacyNames.refusal(of: name) {
      Console.error("error: \(failure)")
      leave(failure.kind.rawValue)
    }
    let given = Array(CommandLine.arguments.dropFirst())
    let arguments = ArgparseHabits.of(name, given).complete(given)
    switch name {
    case "nnUNetv2_predict": run(PredictDataset.self, arguments)
    case "nnUNetv2_predict_from_modelfolder": run(PredictModelFolder.self, arguments)
    case "nnUNetv2_train": run(Train.self, arguments)
    case "nnUNet_train": run(LegacyTrain.self, arguments)
    case "nnUNetv2_distillation_train": run(DistillPlain.self, arguments)
    case "nnUNetv2_resenc_distillation_train": run(DistillResEnc.self, arguments)
    case "nnUNetv2_evaluate_folder", "nnUNetv2_evaluate_simple": run(Evaluate.self, arguments)
    case "nnUNetv2_accumulate_crossval_results": run(Accumulate.self, arguments)
    case "nnUNetv2_find_best_configuration": run(FindBestConfiguration.self, arguments)
    case "nnUNetv2_ensemble": run(EnsembleFolders.self, arguments)
    case "nnUNetv2_determine_postprocessing": run(DeterminePostprocessing.self, arguments)
    case "nnUNetv2_apply_postprocessing": run(ApplyPostprocessing.self, arguments)
    case "nnUNetv2_plot_overlay_pngs": run(PlotOverlays.self, arguments)
    case "nnUNetv2_export_model_to_zip": run(ExportModel.self, arguments)
    case "nnUNetv2_install_pretrained_model_from_zip", "nnUNetv2_download_pretrained_model_by_url":
      run(InstallModel.self, arguments)
    case "nnUNetv2_plan_and_preprocess": run(PlanAndPreprocessCommand.self, arguments)
    case "nnUNetv2_extract_fingerprint": run(FingerprintCommand.self, arguments)
    case "nnUNetv2_plan_experiment": run(PlanCommand.self, arguments)
    case "nnUNetv2_preprocess": run(PreprocessCommand.self, arguments)
    case "nnUNetv2_move_plans_between_datasets": run(MovePlansCommand.self, arguments)
    case "nnUNetv2_convert_MSD_dataset", "nnUNet_convert_decathlon_task": run(ConvertDecathlon.self, arguments)
    case "nnUNetv2_convert_old_nnUNet_dataset": run(ConvertLegacy.self, arguments)
    case "nnUNet_plan_and_preprocess": run(LegacyPlanAndPreprocess.self, arguments)
    case "nnUNetv2_distillation_export_onnx", "nnUNetv2_resenc_distillation_export_onnx":
      run(DistillationExport.self, arguments)
    case "TotalSegmentator": run(TotalSegment.self, arguments)
    case "FastSegmentator": run(FastSegment.self, arguments)
    case "fastnnunet": run(FastnnUNetCommand.self, arguments)
    case "totalseg_download_weights": run(DownloadWeightsTool.self, arguments)
    case "totalseg_import_weights": run(ImportWeightsTool.self, arguments)
    case "totalseg_set_license": run(SetLicenseTool.self, arguments)
    case "totalseg_info": run(InfoTool.self, arguments)
    default: run(Microtome.self, arguments)
    }
  }

  /// Parses, runs and exits with the documented code.
  private static func run(_ command: any ParsableCommand.Type, _ arguments: [String]) -> Never {
    do {
      var command = try command.parseAsRoot(arguments)
      try command.run()
      leave(0)
    } catch let failure as Failure {
      Console.error("error: \(failure)")
      leave(failure.kind.rawValue)
    } catch {
      if command.exitCode(for: error).isSuccess, let word = ArgparseHabits.mistakenForHelp(arguments) {
        Console.error("error: unknown option \(word) (--help lists the options)")
        leave(Failure.Kind.usage.rawValue)
      }
      command.exit(withError: error)
    }
  }
}

/// Ends the process. `exit` inside a command would be the command's own method.
private func leave(_ code: Int32) -> Never { exit(code) }
