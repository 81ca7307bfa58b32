# Two commands set everything up on a fresh Debian or Ubuntu machine with Swift 6.1 or later:
#   make demo   installs what is missing, builds, and segments the sample in Examples/
#   make test   installs what is missing and runs every test
SHELL := /bin/bash
SWIFT ?= swift
BUILD := $(SWIFT) build -c release --static-swift-stdlib
MICROTOME := .build/release/microtome
SAMPLE := Examples/Phantom
OUTPUT := demo-output

.PHONY: demo test build setup engine lint install clean

demo: build engine
	@rm -rf $(OUTPUT)
	$(MICROTOME) predict -i $(SAMPLE)/images -o $(OUTPUT) -f 0 --verbose \
	  -m $(SAMPLE)/model/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres
	$(MICROTOME) compare $(OUTPUT)/phantom_014.nii.gz $(SAMPLE)/labels/phantom_014.nii.gz \
	  --dataset $(SAMPLE)/model/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres/dataset.json
	$(MICROTOME) overlay $(SAMPLE)/images/phantom_014_0000.nii.gz $(OUTPUT)/phantom_014.nii.gz -o $(OUTPUT)/phantom_014.png
	@echo "labels: $(OUTPUT)/phantom_014.nii.gz   picture: $(OUTPUT)/phantom_014.png"

# One build serves the tests and the engines' installation. Without a network the tests that need an engine are skipped.
test: setup
	$(SWIFT) build -c release --build-tests -Xswiftc -enable-testing
	@for engine in openvino onnxruntime torch; do $(MICROTOME) engines | grep -q "^$$engine " || \
	  $(MICROTOME) engines install $$engine || echo "no $$engine: tests that need it are skipped"; done
	$(SWIFT) test -c release -Xswiftc -enable-testing --skip-build

build: setup
	$(BUILD) --product microtome

# System packages, only if one is missing.
setup:
	@Scripts/setup-system

# The library that runs networks, only if none is found.
engine: build
	@$(MICROTOME) engines --quiet || $(MICROTOME) engines install openvino

lint:
	$(SWIFT) format lint --strict --recursive Sources Tests Package.swift
	Scripts/check-layers

# The program and the names of the tools it replaces.
PREFIX ?= /usr/local
NAMES := nnUNetv2_predict nnUNetv2_predict_from_modelfolder TotalSegmentator FastSegmentator \
  nnUNetv2_evaluate_folder nnUNetv2_evaluate_simple nnUNetv2_accumulate_crossval_results \
  nnUNetv2_find_best_configuration nnUNetv2_ensemble nnUNetv2_determine_postprocessing \
  nnUNetv2_apply_postprocessing nnUNetv2_plot_overlay_pngs nnUNetv2_export_model_to_zip \
  nnUNetv2_install_pretrained_model_from_zip nnUNetv2_download_pretrained_model_by_url \
  nnUNetv2_plan_and_preprocess nnUNetv2_extract_fingerprint nnUNetv2_plan_experiment nnUNetv2_preprocess \
  nnUNetv2_move_plans_between_datasets nnUNetv2_convert_MSD_dataset nnUNetv2_convert_old_nnUNet_dataset \
  nnUNet_plan_and_preprocess nnUNet_convert_decathlon_task nnUNetv2_train nnUNet_train \
  nnUNetv2_distillation_export_onnx nnUNetv2_resenc_distillation_export_onnx \
  nnUNetv2_distillation_train nnUNetv2_resenc_distillation_train \
  totalseg_download_weights totalseg_import_weights totalseg_set_license totalseg_info fastnnunet
install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install $(MICROTOME) $(DESTDIR)$(PREFIX)/bin/microtome
	for name in $(NAMES); do ln -sf microtome $(DESTDIR)$(PREFIX)/bin/$$name; done

clean:
	rm -rf .build $(OUTPUT)
