import Basics

extension Configuration {
  /// Microtome's own key of the second stage of a cascade: the folder's name of the first stage's model.
  static let previousModelKey = "previous_stage_model"

  /// The model whose segmentations this configuration of a trained model takes; nil where it takes none.
  ///
  /// It has the same trainer and plans, as in nnU-Net, unless the plans name another one. Throws `badInput` when what they
  /// name is no model.
  public func previousModel(of model: ModelIdentifier) throws -> ModelIdentifier? {
    guard let previousStage else { return nil }
    return try recordedPreviousModel
      ?? ModelIdentifier(trainer: model.trainer, plans: model.plans, configuration: previousStage)
  }

  /// The model that the plans name. Throws `badInput` when that is none.
  var recordedPreviousModel: ModelIdentifier? {
    get throws {
      guard let value = json[Self.previousModelKey] else { return nil }
      guard let name = value.string, !name.contains("/"), let model = ModelIdentifier(name) else {
        throw Failure(
          .badInput,
          "configuration \"\(self.name)\": \"\(Self.previousModelKey)\" is \(value.text()), not the name of a "
            + "model's folder")
      }
      return model
    }
  }
}

extension Plans {
  /// The same plans, in which a configuration names the model that comes before it in a cascade.
  ///
  /// Throws `badInput` when there is no such configuration.
  public func naming(previousModel model: ModelIdentifier, of configuration: String) throws -> Plans {
    guard var document = json.object, var configurations = document["configurations"]?.object,
      var own = configurations[configuration]?.object
    else { throw Failure(.badInput, "there is no configuration \"\(configuration)\"") }
    own[Configuration.previousModelKey] = .string(model.description)
    configurations[configuration] = .object(own)
    document["configurations"] = .object(configurations)
    return try Plans(json: .object(document))
  }
}
