"""Every built-in plugin on one page."""

from __future__ import annotations

from rationale_cli.hooks import Entry, hookimpl

_MODELS = "rationale_plugins.models"
_METHODS = "rationale_plugins.methods"
_ATTRIBUTIONS = "rationale_plugins.attributions"
_DATASETS = "rationale_plugins.datasets"
_REGULARIZERS = "rationale_plugins.regularizers"
_FORMATS = "rationale_plugins.formats"


@hookimpl
def rationale_models() -> list[Entry]:
    """Vision-language models."""
    return [
        Entry(
            "tiny-clip",
            f"{_MODELS}.tiny_clip:TinyClip",
            "A small real CLIP of the embedded scenes, weights included",
        ),
        Entry(
            "clip-vit-b-32", f"{_MODELS}.open_clip:ClipViTB32", "CLIP ViT-B/32 (open_clip, OpenAI weights)"
        ),
        Entry(
            "clip-vit-b-16", f"{_MODELS}.open_clip:ClipViTB16", "CLIP ViT-B/16 (open_clip, OpenAI weights)"
        ),
        *(
            Entry(name, f"{_MODELS}.albef:AlbefViTB16", "ALBEF ViT-B/16 (original weights, 14 M pictures)")
            for name in ("albef", "albef-vit-b-16")
        ),
        *(
            Entry(name, f"{_MODELS}.blip:BlipViTB16", "BLIP ViT-B/16 (original weights, 129 M pictures)")
            for name in ("blip", "blip-vit-b-16")
        ),
        Entry(
            "open_clip",
            f"{_MODELS}.open_clip:AnyOpenClip",
            "Any model of open_clip: open_clip:ViT-L-14@laion2b_s32b_b82k",
            argument="architecture",
        ),
        Entry(
            "hf",
            f"{_MODELS}.huggingface:HuggingFace",
            "Any CLIP, SigLIP or SigLIP 2 of transformers: hf:google/siglip2-base-patch16-224, or a folder",
            argument="repository",
        ),
        Entry(
            "hf-chat",
            f"{_MODELS}.huggingface_chat:HuggingFaceChat",
            "Any generative model of transformers: hf-chat:Qwen/Qwen2.5-VL-3B-Instruct, or a folder",
            argument="repository",
        ),
        Entry(
            "tiny-chat",
            f"{_MODELS}.tiny_chat:TinyChat",
            "A small LLaVA on tiny-clip's image tower, to be tuned; no download",
        ),
        Entry(
            "tiny-albef",
            f"{_MODELS}.tiny_fusion:TinyAlbef",
            "A small real ALBEF of the embedded scenes, weights included",
        ),
        Entry(
            "tiny-blip",
            f"{_MODELS}.tiny_fusion:TinyBlip",
            "A small real BLIP of the embedded scenes, weights included",
        ),
    ]


@hookimpl
def rationale_methods() -> list[Entry]:
    """Fine-tuning methods."""
    return [
        Entry("zs", f"{_METHODS}.zero_shot:ZeroShot", "Zero-shot: the class whose prompt is most similar"),
        Entry(
            "lp",
            f"{_METHODS}.linear_probe:LinearProbe",
            "Linear probe: a linear head on the frozen image encoder",
        ),
        Entry(
            "flcp", f"{_METHODS}.flcp:Flcp", "Fine-tuning like CLIP pre-training: images against class texts"
        ),
        Entry(
            "clip-adapter",
            f"{_METHODS}.clip_adapter:ClipAdapter",
            "CLIP-Adapter: a bottleneck on the features of the frozen image encoder",
        ),
        Entry(
            "tip-adapter",
            f"{_METHODS}.tip_adapter:TipAdapter",
            "Tip-Adapter: zero-shot plus a cache of the training pictures; nothing is trained",
        ),
        Entry(
            "tip-adapter-f",
            f"{_METHODS}.tip_adapter:TipAdapterF",
            "Tip-Adapter-F: Tip-Adapter with trained keys",
        ),
        Entry(
            "coop",
            f"{_METHODS}.coop:CoOp",
            "CoOp: a learned context around the class names, both towers frozen",
        ),
        Entry("cocoop", f"{_METHODS}.cocoop:CoCoOp", "CoCoOp: a learned context that each picture moves"),
        Entry(
            "kgcoop",
            f"{_METHODS}.kgcoop:KgCoOp",
            "KgCoOp: CoOp held near the prompts that were written by hand",
        ),
        Entry(
            "prograd",
            f"{_METHODS}.prograd:ProGrad",
            "ProGrad: CoOp that takes no step against the zero-shot prediction",
        ),
        Entry(
            "maple",
            f"{_METHODS}.maple:MaPLe",
            "MaPLe: learned prompts in several blocks of both towers, coupled",
        ),
        Entry(
            "promptsrc",
            f"{_METHODS}.promptsrc:PromptSRC",
            "PromptSRC: prompts in both towers, held near zero-shot and averaged over epochs",
        ),
        Entry(
            "coprompt",
            f"{_METHODS}.coprompt:CoPrompt",
            "CoPrompt: MaPLe and adapters, consistent with zero-shot on other texts and views",
        ),
        Entry(
            "lp-ft",
            f"{_METHODS}.lp_ft:LpFt",
            "LP-FT: fine-tuning that starts from the best logistic regression on the frozen features",
        ),
        Entry(
            "dfr",
            f"{_METHODS}.dfr:Dfr",
            "DFR: fine-tuning, then a head made anew of held-out pictures of every group",
        ),
        Entry(
            "wise-ft",
            f"{_METHODS}.wise_ft:WiseFt",
            "WiSE-FT: fine-tuned from the zero-shot head, then averaged with the weights before",
        ),
        Entry(
            "clip-lora",
            f"{_METHODS}.clip_lora:ClipLora",
            "CLIP-LoRA: low-rank updates of both towers' attention",
        ),
        Entry("lora", f"{_METHODS}.lora:Lora", "LoRA and QLoRA of a generative model, tuned on the answers"),
        Entry("ft", f"{_METHODS}.fine_tuning:FineTuning", "Fine-tuning: image encoder and linear head"),
    ]


@hookimpl
def rationale_attributions() -> list[Entry]:
    """Attribution methods and controls."""
    return [
        Entry(
            "gaa",
            f"{_ATTRIBUTIONS}.gaa:Gaa",
            "Generic attention attribution: gradient times attention, rolled out",
        ),
        Entry("grad-attention", f"{_ATTRIBUTIONS}.gaa:GradAttention", "Gradient of the attention alone"),
        Entry(
            "raw-attention",
            f"{_ATTRIBUTIONS}.attention:RawAttention",
            "Attention of the CLS token to the patches; knows no class",
        ),
        Entry(
            "rollout",
            f"{_ATTRIBUTIONS}.attention:Rollout",
            "Attention rolled out over the layers, residuals included; knows no class",
        ),
        Entry(
            "attention-x-norm",
            f"{_ATTRIBUTIONS}.attention:AttentionNorm",
            "Size of the vector that each patch adds to the CLS token; knows no class",
        ),
        Entry("grad-cam", f"{_ATTRIBUTIONS}.grad_cam:GradCam", "Grad-CAM on the tokens of a layer"),
        Entry(
            "grad-eclip",
            f"{_ATTRIBUTIONS}.grad_eclip:GradEclip",
            "Grad-ECLIP: values weighed by the gradient of the attention's output and by similarity",
        ),
        Entry(
            "legrad",
            f"{_ATTRIBUTIONS}.legrad:LeGrad",
            "LeGrad: gradient of each layer's own score in its attention",
        ),
        Entry(
            "itm-gaa",
            f"{_ATTRIBUTIONS}.matching:ItmGaa",
            "GAA of the matching score through cross-attention (ALBEF, BLIP)",
        ),
        Entry(
            "itm-grad-cam",
            f"{_ATTRIBUTIONS}.matching:ItmGradCam",
            "Grad-CAM of the matching score on a cross-attention map (ALBEF, BLIP)",
        ),
        Entry(
            "input-x-gradient",
            f"{_ATTRIBUTIONS}.input_gradients:InputXGradient",
            "Picture times the score's gradient at the picture",
        ),
        Entry(
            "integrated-gradients",
            f"{_ATTRIBUTIONS}.input_gradients:IntegratedGradients",
            "Gradients on the way from a baseline to the picture, times the way",
        ),
        Entry(
            "smoothgrad",
            f"{_ATTRIBUTIONS}.input_gradients:SmoothGrad",
            "Mean gradient at the picture over noisy copies of it",
        ),
        Entry(
            "rise", f"{_ATTRIBUTIONS}.rise:Rise", "Probability under random masks; the model is a black box"
        ),
        Entry(
            "occlusion",
            f"{_ATTRIBUTIONS}.occlusion:Occlusion",
            "Fall of the score where a window is hidden; the model is a black box",
        ),
        Entry("uniform", f"{_ATTRIBUTIONS}.controls:Uniform", "Control: the same relevance everywhere"),
        Entry("edges", f"{_ATTRIBUTIONS}.edges:Edges", "Control: where the picture has edges"),
        Entry("center", f"{_ATTRIBUTIONS}.controls:Center", "Control: a Gaussian on the picture's centre"),
        Entry(
            "random", f"{_ATTRIBUTIONS}.controls:Random", "Control: random relevance, seeded by the picture"
        ),
        Entry(
            "random-head",
            f"{_ATTRIBUTIONS}.controls:RandomHead",
            "Control: the explanation of a random class vector",
        ),
        Entry(
            "wrong-class",
            f"{_ATTRIBUTIONS}.controls:WrongClass",
            "Control: the explanation of a random other class",
        ),
    ]


@hookimpl
def rationale_datasets() -> list[Entry]:
    """Datasets."""
    return [
        Entry(
            "scenes",
            f"{_DATASETS}.scenes:Scenes",
            "Drawn scenes with exact masks and a planted shortcut; no download",
        ),
        Entry(
            "blocks",
            f"{_DATASETS}.blocks:Blocks",
            "Drawn towers and assemblies of blocks: do they stand? Exact statics, exact masks; no download",
        ),
        Entry("folder", f"{_DATASETS}.folder:Folder", "Any folder of pictures, with masks or boxes"),
        Entry("vqa", f"{_DATASETS}.vqa:Vqa", "A table of questions about pictures, with masks or boxes"),
        Entry("caltech101", f"{_DATASETS}.caltech101:Caltech101", "Caltech-101 with the objects' contours"),
        Entry("cub", f"{_DATASETS}.cub:Cub", "CUB-200-2011 with its segmentations"),
        Entry(
            "imagenet",
            f"{_DATASETS}.imagenet:ImageNet",
            "ImageNet-1k with boxes, as Kaggle or torchvision lays it out",
        ),
        Entry(
            "imagenet-c",
            f"{_DATASETS}.imagenet_c:ImageNetC",
            "ImageNet-C: 19 corruptions, boxes carried through resize and crop",
        ),
        Entry("imagenet-s", f"{_DATASETS}.imagenet_s:ImageNetS", "ImageNet-S 50, 300 and 919 with masks"),
        Entry(
            "oxford-pets", f"{_DATASETS}.oxford_pets:OxfordPets", "Oxford-IIIT Pet: 37 breeds with trimaps"
        ),
        Entry(
            "waterbirds",
            f"{_DATASETS}.waterbirds:Waterbirds",
            "Waterbirds: CUB's birds on land and water, with CUB's outlines",
        ),
        Entry("stanford-dogs", f"{_DATASETS}.stanford_dogs:StanfordDogs", "Stanford Dogs with boxes"),
        Entry(
            "voc",
            f"{_DATASETS}.voc:Voc",
            "Pascal VOC 2007 and 2012 with masks or boxes: pictures of one class, or each object cut out",
        ),
        Entry(
            "coco",
            f"{_DATASETS}.coco:Coco",
            "COCO 2017 with masks or boxes: pictures of one class, or each object cut out",
        ),
    ]


@hookimpl
def rationale_regularizers() -> list[Entry]:
    """Terms for the loss of other methods."""
    return [
        Entry(
            "dor",
            f"{_REGULARIZERS}.dor:Dor",
            "DOR: prompts of words that are no class stay where zero-shot has them",
        ),
        Entry(
            "dor-images",
            f"{_REGULARIZERS}.dor_images:DorImages",
            "DOR on pictures: such as show no class stay where zero-shot has them",
        ),
        Entry(
            "text-anchor",
            f"{_REGULARIZERS}.anchors:TextAnchor",
            "Class texts stay near those of hand-written prompts (KgCoOp, PromptSRC)",
        ),
        Entry(
            "image-anchor",
            f"{_REGULARIZERS}.anchors:ImageAnchor",
            "Features of pictures stay near those of zero-shot (PromptSRC, CoPrompt)",
        ),
        Entry(
            "logit-anchor",
            f"{_REGULARIZERS}.anchors:LogitAnchor",
            "Predictions stay near those of zero-shot (PromptSRC)",
        ),
        Entry(
            "gaa-mass",
            f"{_REGULARIZERS}.masses:GaaMass",
            "Relevance by GAA lies on the object: −log RMA; needs masks or boxes",
        ),
        Entry(
            "attention-mass",
            f"{_REGULARIZERS}.masses:AttentionMass",
            "The CLS token attends to the object; needs masks or boxes",
        ),
        Entry(
            "rrr",
            f"{_REGULARIZERS}.rrr:RightReasons",
            "Gradients outside the object are small (Right for the Right Reasons); needs masks or boxes",
        ),
        Entry(
            "counterfactual",
            f"{_REGULARIZERS}.counterfactual:Counterfactual",
            "Objects on other backgrounds keep their class, bare backgrounds have none; needs masks or boxes",
        ),
        Entry(
            "background-anchor",
            f"{_REGULARIZERS}.background_anchor:BackgroundAnchor",
            "Backgrounds alone say what zero-shot says of them; needs masks or boxes",
        ),
        Entry(
            "evidence-anchor",
            f"{_REGULARIZERS}.evidence_anchor:EvidenceAnchor",
            "Relevance stays where zero-shot has it; needs no annotation",
        ),
        Entry(
            "text-guided",
            f"{_REGULARIZERS}.text_guided:TextGuided",
            "Relevance lies where zero-shot sees the class's text; needs no annotation",
        ),
        Entry(
            "guided-counterfactual",
            f"{_REGULARIZERS}.guided_counterfactual:GuidedCounterfactual",
            "counterfactual by zero-shot's heatmaps for masks; needs no annotation",
        ),
        Entry(
            "guided-background-anchor",
            f"{_REGULARIZERS}.background_anchor:GuidedBackgroundAnchor",
            "background-anchor by zero-shot's heatmaps for masks; needs no annotation",
        ),
        Entry(
            "background-augment",
            f"{_REGULARIZERS}.background_augment:BackgroundAugment",
            "Baseline: objects on other backgrounds, the label kept; needs masks or boxes",
        ),
        Entry(
            "patch-dropout",
            f"{_REGULARIZERS}.patch_dropout:PatchDropout",
            "Baseline: pictures with random patches hidden; needs no annotation",
        ),
        Entry(
            "group-dro",
            f"{_REGULARIZERS}.group_dro:GroupDro",
            "Group DRO: the groups that do worst weigh most; needs data with groups",
        ),
    ]


@hookimpl
def rationale_formats() -> list[Entry]:
    """Layouts of others' checkpoints."""
    return [
        Entry(
            "open_clip",
            f"{_FORMATS}.whole:OpenClipFormat",
            "A training checkpoint or state dict of open_clip: zero-shot by tuned towers",
        ),
        Entry(
            "transformers",
            f"{_FORMATS}.whole:TransformersFormat",
            "A folder or file of transformers' CLIPModel: zero-shot by tuned towers",
        ),
        Entry("linear", f"{_FORMATS}.heads:LinearFormat", "A linear head on the frozen image encoder"),
        Entry(
            "encoder-head",
            f"{_FORMATS}.heads:EncoderHeadFormat",
            "A tuned image encoder with its linear head",
        ),
        Entry(
            "wise-ft",
            f"{_FORMATS}.heads:WiseFtFormat",
            "The state dict of WiSE-FT's or FLYP's image classifier",
        ),
        Entry(
            "coop", f"{_FORMATS}.prompts:CoOpFormat", "A learned context as CoOp, KgCoOp and ProGrad save it"
        ),
        Entry("cocoop", f"{_FORMATS}.prompts:CoCoOpFormat", "A context and bottleneck as CoCoOp saves them"),
        Entry("peft", f"{_FORMATS}.adapters:PeftFormat", "A LoRA of peft, merged into the weights"),
        Entry(
            "maple",
            f"{_FORMATS}.deep_prompts:MaPLeFormat",
            "Learned prompts of both towers as MaPLe saves them",
        ),
        Entry(
            "coprompt",
            f"{_FORMATS}.deep_prompts:CoPromptFormat",
            "Learned prompts and adapters as CoPrompt saves them",
        ),
        Entry(
            "promptsrc",
            f"{_FORMATS}.deep_prompts:PromptSRCFormat",
            "Learned prompts of either tower as PromptSRC saves them",
        ),
    ]
