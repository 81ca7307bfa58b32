import Basics
import TestSupport
import Testing

/// The script that goes from a raw dataset to a selected model, on made-up scans and with the engine that needs no library.
@Suite struct WholeWayTests {
  @Test func fromARawDatasetToASelectedModel() throws {
    let place = try TrainingPlace(cases: 10, prepares: false)
    let work = place.folder("work")
    let run = try Program.run(
      [place.raw, work], script: ReferenceData.repositoryFolder + "/Scripts/train-and-select",
      environment: [
        "MICROTOME": Program.path, "ENGINE": "reference", "TRAINER": "nnUNetTrainerNoMirroring", "FEATURES": "2",
        "EPOCHS": "1", "ITERATIONS": "3",
      ], limit: 400)
    try #require(run.status == 0, "\(run.output.suffix(2000))\n\(run.errors)")
    let results = work + "/results/Dataset008_Boxes"
    let models = ["2d", "3d_fullres"].map { "nnUNetTrainerNoMirroring__smallPlans__\($0)" }
    for model in models {
      for fold in 0...1 {
        let summary = try JSON.read("\(results)/\(model)/fold_\(fold)/validation/summary.json")
        #expect(summary["metric_per_case"]?.array?.count == 2)
      }
    }
    let information = try JSON.read(results + "/inference_information.json")
    let names = information["all_results"]?.object?.members.map(\.key) ?? []
    #expect(names.sorted() == ["ensemble___\(models[0])___\(models[1])___0_1"] + models)
    #expect(Path.isFile(results + "/ensembles/ensemble___\(models[0])___\(models[1])___0_1/summary.json"))
    let isEnsemble = information["best_model_or_ensemble"]?["selected_model_or_models"]?.array?.count == 2
    let ensemble = work + "/predictions/OUTPUT_FOLDER" + (isEnsemble ? "" : "_ENSEMBLE")
    #expect(try Path.list(ensemble).count { $0.hasSuffix(".nii.gz") } == 10)
    let final = work + "/predictions/OUTPUT_FOLDER_PP"
    #expect(try Path.list(final).count { $0.hasSuffix(".nii.gz") } == 10)
    #expect(try JSON.read(final + "/summary.json")["metric_per_case"]?.array?.count == 10)
  }
}
