import Basics

/// Commands of nnU-Net v1 that are not answered to, since v1's options mean other things.
enum LegacyNames {
  private static let successors = [
    "nnUNet_predict": "nnUNetv2_predict -i IMAGES -o LABELS -d DATASET -c CONFIGURATION; a v1 model folder is run by "
      + "microtome predict -m FOLDER",
    "nnUNet_train_DP": "nnUNetv2_train DATASET CONFIGURATION FOLD",
    "nnUNet_train_DDP": "nnUNetv2_train DATASET CONFIGURATION FOLD",
    "nnUNet_find_best_configuration": "nnUNetv2_find_best_configuration DATASET -c CONFIGURATION",
    "nnUNet_determine_postprocessing": "nnUNetv2_determine_postprocessing -i LABELS -ref REFERENCES",
    "nnUNet_ensemble": "nnUNetv2_ensemble -i FOLDER FOLDER -o LABELS",
    "nnUNet_evaluate_folder": "nnUNetv2_evaluate_simple REFERENCES LABELS -l 1 2",
    "nnUNet_plot_task_pngs": "nnUNetv2_plot_overlay_pngs -d DATASET -o PICTURES",
    "nnUNet_export_model_to_zip": "nnUNetv2_export_model_to_zip -d DATASET -o model.zip",
    "nnUNet_install_pretrained_model_from_zip": "nnUNetv2_install_pretrained_model_from_zip model.zip",
    "nnUNet_download_pretrained_model_by_url": "nnUNetv2_download_pretrained_model_by_url ADDRESS",
    "nnUNet_download_pretrained_model": "nnUNetv2_download_pretrained_model_by_url ADDRESS",
    "nnUNet_print_available_pretrained_models": "nnUNetv2_download_pretrained_model_by_url ADDRESS",
    "nnUNet_print_pretrained_model_info": "nnUNetv2_download_pretrained_model_by_url ADDRESS",
    "nnUNet_change_trainer_class": "nothing; any trainer's model is run",
  ]

  /// What to say to somebody who has started the program under such a name; nil for other names.
  static func refusal(of name: String) -> Failure? {
    successors[name].map { Failure(.usage, "\(name) is nnU-Net v1's; its successor is: \($0)") }
  }
}
