"""What the origin of the interop matrix plays for each host: a function that takes the connection (origin.py), the request, its path
and its body, and returns what the connection's own methods return; or None where there is nothing."""

from services import bedrock
from services import languages
from services import mcp
from services import models
from services import registries
from services import saas

HANDLERS = {
    "api.openai.com": models.openai,
    "api.anthropic.com": models.anthropic,
    "generativelanguage.googleapis.com": models.gemini,
    "bedrock-runtime.us-east-1.amazonaws.com": bedrock.serve,
    "www.googleapis.com": registries.drive,
    "index.interop.example": registries.python_index,
    "upload.pypi.org": registries.python_upload,
    "registry.interop.example": registries.npm,
    "mcp.interop.example": mcp.serve,
    "crates.interop.example": languages.crates,
    "apt.interop.example": languages.apt,
    "api.stripe.com": saas.stripe,
    "slack.com": saas.slack,
    "app.asana.com": saas.asana,
}
